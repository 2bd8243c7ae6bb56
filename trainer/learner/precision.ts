/** What the parameters that are trained are rounded to after each update. */
export const PRECISIONS = ['float32', 'bfloat16'] as const
export type Precision = (typeof PRECISIONS)[number]

/** Each to the nearest bfloat16, ties to even (IEEE 754 roundTiesToEven), as float32 numbers whose low 16 bits are 0. Finite numbers only. */
export function roundToBfloat16(from: Float32Array<ArrayBuffer>, to: Float32Array<ArrayBuffer>): void {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length)
  const rounded = new Uint32Array(to.buffer, to.byteOffset, to.length)
  for (let at = 0; at < bits.length; at++) {
    const pattern = bits[at]!
    rounded[at] = (pattern + 0x7fff + ((pattern >>> 16) & 1)) & 0xffff_0000
  }
}
