import { expect, test } from 'vitest'
import { createRng } from '../random/rng.ts'
import { encodeDelta } from './weight-delta.ts'

const WEIGHTS = 65_536

function bytesOf(weights: Float32Array): Uint8Array {
  return new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength)
}

function weightsWith(step: (weight: number, index: number) => number): { parent: Uint8Array; child: Uint8Array } {
  const rng = createRng('weight-delta')
  const weights = Float32Array.from({ length: WEIGHTS }, () => (rng.float() - 0.5) / 8)
  return { parent: bytesOf(weights), child: bytesOf(weights.map(step)) }
}

test('what has not changed takes nine bits for 256 weights', () => {
  const { parent, child } = weightsWith(weight => weight)
  expect(encodeDelta(parent, child).byteLength).toBe((WEIGHTS / 256) * (9 / 8))
})

test('one changed weight in a hundred takes its place and its step', () => {
  const { parent, child } = weightsWith((weight, index) => (index % 100 === 0 ? weight + 1e-5 : weight))
  expect((8 * encodeDelta(parent, child).byteLength) / (WEIGHTS / 100)).toBeLessThan(42)
})

test('a small step of every weight takes few bits, the fewer the smaller it is', () => {
  const bits = [1e-3, 1e-5, 1e-7].map(step => {
    const { parent, child } = weightsWith((weight, index) => weight + (index % 2 === 0 ? step : -step / 2))
    return (8 * encodeDelta(parent, child).byteLength) / WEIGHTS
  })
  expect(bits[0]).toBeLessThan(22)
  expect(bits[1]).toBeLessThan(15)
  expect(bits[2]).toBeLessThan(8)
})

test('weights rounded to bfloat16 pay nothing for the bits that they lack', () => {
  const rounded = (weight: number): number => {
    const bits = new Uint32Array(Float32Array.of(weight).buffer)
    bits[0] = (bits[0]! + 0x8000) & 0xffff_0000
    return new Float32Array(bits.buffer)[0]!
  }
  const { parent } = weightsWith(rounded)
  const from = bytesOf(new Float32Array(parent.slice().buffer).map(rounded))
  const to = bytesOf(new Float32Array(from.slice().buffer).map(weight => rounded(weight + 2e-4)))
  expect((8 * encodeDelta(from, to).byteLength) / WEIGHTS).toBeLessThan(4)
})

test('versions of different models have no delta', () => {
  expect(() => encodeDelta(new Uint8Array(8), new Uint8Array(12))).toThrow('a delta from 2 to 3 weights')
  expect(() => encodeDelta(new Uint8Array(7), new Uint8Array(7))).toThrow('7 bytes are no float32 weights')
})
