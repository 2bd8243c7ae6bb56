import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '#shared/testing/property-runs.ts'
import { StopSearch } from './stop-search.ts'

const letters = fc.constantFrom('a', 'b', 'c')
const pieces = fc.array(fc.string({ unit: letters, maxLength: 4 }), { maxLength: 12 })
const stops = fc.array(fc.string({ unit: letters, minLength: 1, maxLength: 5 }), { maxLength: 4 })

/** Letter by letter: the text before the first stop string that ends, the longest where several end together. */
function expected(text: string, stops: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter(stop => text.slice(0, end).endsWith(stop))
    if (ending.length > 0) return text.slice(0, end - Math.max(...ending.map(stop => stop.length)))
  }
  return text
}

/** @returns what was told with each piece, and at the end */
function tell(parts: readonly string[], stops: readonly string[]): { told: string[]; found: boolean } {
  const search = new StopSearch(stops)
  const told: string[] = []
  for (const part of parts) {
    const { text, found } = search.push(part)
    told.push(text)
    if (found) return { told, found }
  }
  return { told: [...told, search.flush()], found: false }
}

test('the text ends before the first stop string, however it was cut into pieces', () => {
  fc.assert(
    fc.property(pieces, stops, (parts, stops) => {
      const text = parts.join('')
      const { told, found } = tell(parts, stops)
      expect(told.join('')).toBe(expected(text, stops))
      expect(found).toBe(stops.some(stop => text.includes(stop)))
    }),
    runs(2000)
  )
})

test('no more is held back than may still become a stop string', () => {
  fc.assert(
    fc.property(pieces, stops, (parts, stops) => {
      const { told, found } = tell(parts, stops)
      if (found) return
      for (let pushed = 1; pushed <= parts.length; pushed++) {
        const held = parts.slice(0, pushed).join('').slice(told.slice(0, pushed).join('').length)
        expect(held === '' || stops.some(stop => stop.length > held.length && stop.startsWith(held))).toBe(true)
      }
    }),
    runs(1000)
  )
})
