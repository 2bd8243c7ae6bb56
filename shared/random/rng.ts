/**
 * Seeded random numbers by integer arithmetic only, so that every engine of every browser gives the same stream.
 * Generator: xoshiro128** (Blackman & Vigna, "Scrambled linear pseudorandom number generators", 2018).
 * Not for secrets.
 */
export interface Rng {
  /** Uniform in [0, 2³²). */
  uint32(): number
  /** Uniform in [0, 1), 53 random bits. */
  float(): number
  /** Uniform integer in [0, n), without modulo bias; 1 ≤ n ≤ 2³². */
  below(n: number): number
  /** An independent stream that depends on the seed and the label only, not on how much was drawn before. */
  fork(label: string | number): Rng
}

const TWO_32 = 2 ** 32

export function createRng(seed: number | string): Rng {
  const state = seedState(String(seed))

  const uint32 = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(state[1]!, 5), 7), 9) >>> 0
    const shifted = state[1]! << 9
    state[2]! ^= state[0]!
    state[3]! ^= state[1]!
    state[1]! ^= state[2]!
    state[0]! ^= state[3]!
    state[2]! ^= shifted
    state[3] = rotateLeft(state[3]!, 11)
    return result
  }

  return {
    uint32,
    float: () => ((uint32() >>> 5) * 2 ** 26 + (uint32() >>> 6)) / 2 ** 53,
    below: n => {
      if (!Number.isInteger(n) || n < 1 || n > TWO_32) throw new RangeError(`below(${n}): n must be an integer in [1, 2^32]`)
      const limit = TWO_32 - (TWO_32 % n)
      let draw = uint32()
      while (draw >= limit) draw = uint32()
      return draw % n
    },
    fork: label => createRng(`${seed}/${label}`)
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}

/** Two FNV-like hashes over the UTF-16 units, finalised four ways, fill the four state words. */
function seedState(text: string): Uint32Array {
  let low = 0x811c9dc5
  let high = 0x9e3779b9
  for (let index = 0; index < text.length; index++) {
    low = Math.imul(low ^ text.charCodeAt(index), 0x01000193)
    high = Math.imul(high ^ text.charCodeAt(index) ^ (low >>> 15), 0x85ebca6b)
  }
  const state = Uint32Array.of(mix(low), mix(high), mix(low ^ 0x9e3779b9), mix(high + 0x9e3779b9))
  if (state.every(word => word === 0)) state[0] = 1
  return state
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(word: number): number {
  let mixed = word ^ (word >>> 16)
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
