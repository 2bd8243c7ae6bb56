import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { decodeDelta, encodeDelta } from './weight-delta.ts'

/** Zeros of both signs, infinities, quiet and signalling NaNs with payloads, the least and the greatest numbers, and their neighbours. */
const SPECIAL = [0, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 0xffff_ffff, 0x7fff_ffff, 1, 0x8000_0001, 0x7f7f_ffff, 0xff7f_ffff, 0x3f80_0000]
const pattern = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(...SPECIAL))
/** What may become of a weight: anything, nothing, or a step of some size. */
const change = fc.oneof({ weight: 1, arbitrary: pattern.map(bits => () => bits) }, { weight: 4, arbitrary: fc.constant((bits: number) => bits) }, { weight: 4, arbitrary: fc.integer({ min: -(2 ** 20), max: 2 ** 20 }).map(step => (bits: number) => (bits + step) >>> 0) })
const pairs = fc.array(fc.tuple(pattern, change), { maxLength: 700 }).map(weights => ({
  parent: bytesOf(weights.map(([bits]) => bits)),
  child: bytesOf(weights.map(([bits, become]) => become(bits)))
}))

function bytesOf(patterns: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from(patterns).buffer)
}

function decoded(parent: Uint8Array, delta: Uint8Array): Uint8Array {
  const answer = decodeDelta(parent, delta)
  if (answer.kind === 'refused') throw new Error(answer.detail)
  return answer.child
}

test('parent and delta give the child, bit for bit', () => {
  fc.assert(
    fc.property(pairs, ({ parent, child }) => {
      expect(decoded(parent, encodeDelta(parent, child))).toEqual(child)
    }),
    runs(300)
  )
})

test('every special value becomes every other', () => {
  const parent = bytesOf(SPECIAL.flatMap(from => SPECIAL.map(() => from)))
  const child = bytesOf(SPECIAL.flatMap(() => SPECIAL))
  expect(decoded(parent, encodeDelta(parent, child))).toEqual(child)
})

test('wherever the weights lie in their buffers', () => {
  fc.assert(
    fc.property(pairs, fc.integer({ min: 1, max: 7 }), ({ parent, child }, offset) => {
      const shifted = (bytes: Uint8Array): Uint8Array => {
        const copy = new Uint8Array(bytes.byteLength + offset).subarray(offset)
        copy.set(bytes)
        return copy
      }
      expect(decoded(shifted(parent), shifted(encodeDelta(shifted(parent), shifted(child))))).toEqual(child)
    }),
    runs(50)
  )
})

test('a delta that is cut off or goes on is refused', () => {
  fc.assert(
    fc.property(pairs, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 9 }), ({ parent, child }, at, more) => {
      const delta = encodeDelta(parent, child)
      fc.pre(delta.byteLength > 0)
      expect(decodeDelta(parent, delta.subarray(0, at % delta.byteLength))).toMatchObject({ kind: 'refused', code: 'malformed' })
      expect(decodeDelta(parent, Uint8Array.of(...delta, ...more))).toMatchObject({ kind: 'refused', code: 'malformed' })
    }),
    runs(200)
  )
})

test('an altered bit gives a refusal or as many weights, which their hash tells from the right ones', () => {
  fc.assert(
    fc.property(pairs, fc.nat(), ({ parent, child }, at) => {
      const delta = encodeDelta(parent, child)
      fc.pre(delta.byteLength > 0)
      const bit = at % (8 * delta.byteLength)
      delta[bit >> 3]! ^= 1 << (bit & 7)
      const answer = decodeDelta(parent, delta)
      expect(answer.kind === 'ok' ? answer.child.byteLength : answer.code).toBe(answer.kind === 'ok' ? child.byteLength : 'malformed')
    }),
    runs(300)
  )
})

test('of any bytes, as many weights are made as the parent has, or none', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 600 }), fc.uint8Array({ maxLength: 4000 }), (weights, delta) => {
      const answer = decodeDelta(bytesOf(weights), delta)
      expect(answer.kind === 'ok' ? answer.child.byteLength : answer.code).toBe(answer.kind === 'ok' ? 4 * weights.length : 'malformed')
    }),
    runs(300)
  )
})
