import { expect, test } from 'vitest'
import { missingLayers } from './missing-layers.ts'

test('neighbouring layers that lack for the same reason are one run', () => {
  expect(missingLayers([undefined, 'absent_peer', 'absent_peer', 'no_memory', undefined, 'no_memory'])).toEqual([
    { layers: { start: 1, end: 3 }, reason: 'absent_peer' },
    { layers: { start: 3, end: 4 }, reason: 'no_memory' },
    { layers: { start: 5, end: 6 }, reason: 'no_memory' }
  ])
  expect(missingLayers([undefined, undefined])).toEqual([])
})
