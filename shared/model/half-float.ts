/** IEEE 754 binary16. */

export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const single = new Float32Array(1)
const singleBits = new Uint32Array(single.buffer)

/** Rounds to the nearest half, to the even one of two equally near; what is too large becomes infinite. */
export function floatToHalf(value: number): number {
  single[0] = value
  const bits = singleBits[0]!
  const sign = (bits >>> 16) & 0x8000
  const exponent = (bits >>> 23) & 0xff
  const fraction = bits & 0x7fffff
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200)
  const halfExponent = exponent - 127 + 15
  if (halfExponent >= 0x1f) return sign | 0x7c00
  if (halfExponent > 0) return sign | roundedShift((halfExponent << 23) | fraction, 13)
  // Subnormal halves are multiples of 2^-24; below half of that, zero.
  if (halfExponent < -10) return sign
  return sign | roundedShift(fraction | 0x800000, 14 - halfExponent)
}

/** bits / 2^shift, to the nearest, ties to even; a carry moves into the exponent, as it should. */
function roundedShift(bits: number, shift: number): number {
  const kept = bits >>> shift
  const dropped = bits & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return dropped > half || (dropped === half && (kept & 1) === 1) ? kept + 1 : kept
}
