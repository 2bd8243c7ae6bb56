import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../protocol/limits.ts'
import { runs } from '../testing/property-runs.ts'
import { assemble, createFrameAssembly, fragmentsOf, pipelineOf, type Assembled } from './frame-fragments.ts'

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff)
}

test('frames of any size arrive whole and in order, in fragments that a channel takes', () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -2, max: 2 }).chain(by => fc.constantFrom(1, 2, 3).map(times => times * (LIMITS.stageFragmentBytes - 5) + by)))
  fc.assert(
    fc.property(fc.array(size, { minLength: 1, maxLength: 4 }), sizes => {
      const frames = sizes.map((length, index) => bytesOf(length, index))
      const assembly = createFrameAssembly()
      const arrived: Assembled[] = []
      for (const frame of frames) {
        for (const fragment of fragmentsOf(77, frame)) {
          expect(fragment.byteLength).toBeLessThanOrEqual(LIMITS.stageFragmentBytes)
          expect(pipelineOf(fragment)).toBe(77)
          arrived.push(assemble(assembly, fragment))
        }
      }
      const whole = arrived.flatMap(result => (result.kind === 'frame' ? [result.frame] : []))
      expect(whole.map(frame => frame.byteLength)).toEqual(sizes)
      expect(whole.every((frame, index) => frame.every((byte, at) => byte === frames[index]![at]))).toBe(true)
      expect(arrived.every(({ kind }) => kind !== 'refused')).toBe(true)
    }),
    runs(40)
  )
})

test('a fragment that is too short, marked wrongly or too long is refused, and so is a frame that never ends', () => {
  expect(assemble(createFrameAssembly(), new Uint8Array(4))).toEqual({ kind: 'refused', code: 'malformed' })
  expect(assemble(createFrameAssembly(), Uint8Array.of(2, 0, 0, 0, 0, 0))).toEqual({ kind: 'refused', code: 'malformed' })
  expect(assemble(createFrameAssembly(), new Uint8Array(LIMITS.stageFragmentBytes + 1))).toEqual({ kind: 'refused', code: 'malformed' })
  const assembly = createFrameAssembly()
  const endless = new Uint8Array(LIMITS.stageFragmentBytes)
  let last: Assembled = { kind: 'incomplete' }
  for (let sent = 0; last.kind === 'incomplete'; sent += LIMITS.stageFragmentBytes) {
    expect(sent).toBeLessThanOrEqual(LIMITS.stageFrameBytes + 2 * LIMITS.stageFragmentBytes)
    last = assemble(assembly, endless)
  }
  expect(last).toEqual({ kind: 'refused', code: 'too_large' })
})
