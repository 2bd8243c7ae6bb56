/**
 * What changed between two versions of the same float32 weights, such that parent and delta give the child bit for bit (docs/adr/0012).
 *
 * Bit patterns are taken as integers in the order of the numbers that they stand for: the difference counts units in the last place.
 * An optimizer moves all weights by steps of a like size, which is the more of such units the smaller the weight. A Golomb-Rice code
 * (Rice and Plaunt 1971) whose parameter falls as the exponent of the parent's weight rises is therefore near the entropy, and the
 * decoder knows that exponent already. Where most weights stay as they are, only the others are coded, and how far apart they are.
 */
import { refuse, type Refusal } from '../protocol/refusal.ts'
import { BitReader, BitWriter } from './bit-stream.ts'

/** Weights that share a code. */
const BLOCK = 256
/** Of a Rice code's unary part; so many mean that 32 plain bits follow. */
const MOST_ONES = 20
const MOST_RICE_BITS = 25
const SCALE_BITS = 9
const SHIFT_BITS = 5
const GAP_BITS = 4
/** In the place of a gap's Rice parameter: every weight of the block is coded. */
const DENSE = 2 ** GAP_BITS - 1
/** Shares of changed weights from which on telling gaps cannot pay, and below which not telling them cannot: it costs every weight a bit. */
const DENSE_SHARE = 0.9
const SPARSE_SHARE = 0.3
/** To both sides of the estimate, where a block may have gaps. */
const SCALES_TRIED = 2

interface BlockCode {
  /** Rice parameter of a difference plus the exponent of the parent's weight. On the wire, 0 says that nothing changed. */
  readonly scale: number
  /** Low bits that no difference of the block uses: weights rounded to bfloat16 differ by multiples of 2^16. */
  readonly shift: number
  /** Rice parameter of the number of unchanged weights before each changed one, or `DENSE`. */
  readonly gap: number
}

/** @throws {Error} when the two have not as many weights: their caller took them from different models */
export function encodeDelta(parent: Uint8Array, child: Uint8Array): Uint8Array<ArrayBuffer> {
  const [from, to] = [bitPatterns(parent), bitPatterns(child)]
  if (from.length !== to.length) throw new Error(`a delta from ${from.length} to ${to.length} weights`)
  const writer = new BitWriter()
  const differences = new Int32Array(BLOCK)
  for (let start = 0; start < from.length; start += BLOCK) {
    const parents = from.subarray(start, start + BLOCK)
    for (let at = 0; at < parents.length; at++) differences[at] = ordinal(to[start + at]!) - ordinal(parents[at]!)
    encodeBlock(writer, parents, differences.subarray(0, parents.length))
  }
  return writer.finish()
}

/** @returns the child's bytes, or why the bytes are no delta of so many weights. Whether it is the right child only its hash tells. */
export function decodeDelta(parent: Uint8Array, delta: Uint8Array): { readonly kind: 'ok'; readonly child: Uint8Array<ArrayBuffer> } | Refusal {
  const from = bitPatterns(parent)
  const to = from.slice()
  const reader = new BitReader(delta)
  for (let start = 0; start < to.length; start += BLOCK) {
    decodeBlock(reader, to.subarray(start, start + BLOCK))
    if (reader.bitsLeft < 0) return refuse('malformed', `a delta of ${delta.byteLength} bytes ends before its ${to.length} weights do`)
  }
  const rest = reader.bitsLeft
  if (rest >= 8 || reader.read(rest) !== 0) return refuse('malformed', `a delta of ${delta.byteLength} bytes goes on after its ${to.length} weights`)
  return { kind: 'ok', child: new Uint8Array(to.buffer) }
}

/** @param codes the differences, which become what is written of them */
function encodeBlock(writer: BitWriter, parents: Int32Array, codes: Int32Array): void {
  let bitsUsed = 0
  for (const difference of codes) bitsUsed |= difference
  if (bitsUsed === 0) return writer.write(0, SCALE_BITS)
  const shift = 31 - Math.clz32(bitsUsed & -bitsUsed)
  for (let at = 0; at < codes.length; at++) codes[at] = zigzag(codes[at]! >> shift)
  const { scale, gap } = cheapestCode(parents, codes)
  writer.write(scale, SCALE_BITS)
  writer.write(shift, SHIFT_BITS)
  writer.write(gap, GAP_BITS)
  let unchanged = 0
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!
    if (gap !== DENSE && code === 0) {
      unchanged++
      continue
    }
    if (gap !== DENSE) writeRice(writer, unchanged, gap)
    writeRice(writer, gap === DENSE ? code : code - 1, riceBits(scale, parents[at]!))
    unchanged = 0
  }
  if (unchanged > 0) writeRice(writer, unchanged, gap)
}

/** @param weights the parent's bit patterns, which become the child's */
function decodeBlock(reader: BitReader, weights: Int32Array): void {
  const scale = reader.read(SCALE_BITS)
  if (scale === 0) return
  const shift = reader.read(SHIFT_BITS)
  const gap = reader.read(GAP_BITS)
  for (let at = 0; at < weights.length; at++) {
    if (gap !== DENSE) at += readRice(reader, gap)
    if (at >= weights.length) return
    const bits = weights[at]!
    const code = readRice(reader, riceBits(scale, bits)) + (gap === DENSE ? 0 : 1)
    weights[at] = ordinal((ordinal(bits) + (unzigzag(code) << shift)) | 0)
  }
}

function cheapestCode(parents: Int32Array, codes: Int32Array): Pick<BlockCode, 'scale' | 'gap'> {
  let [changed, bitLengths] = [0, 0]
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!
    if (code === 0) continue
    changed++
    bitLengths += 32 - Math.clz32(code) + exponent(parents[at]!)
  }
  const share = changed / codes.length
  // A code is, on average, half a bit shorter than the bits that it takes up.
  const estimate = Math.floor(bitLengths / changed - 0.5)
  // Of few or coarse differences the mean says less.
  const tried = share < DENSE_SHARE ? SCALES_TRIED : 0
  const scales = Array.from({ length: 2 + 2 * tried }, (_, index) => Math.max(1, estimate - tried + index))
  const gap = Math.max(0, Math.min(Math.floor(Math.log2((codes.length - changed) / changed || 1)), DENSE - 1))
  const dense = share < SPARSE_SHARE ? undefined : cheapestScale(parents, codes, scales, false)
  const sparse = share < DENSE_SHARE ? cheapestScale(parents, codes, scales, true) : undefined
  if (dense === undefined || (sparse !== undefined && sparse.bits + gapBits(codes, gap) < dense.bits)) return { scale: sparse!.scale, gap }
  return { scale: dense.scale, gap: DENSE }
}

/** @param withGaps unchanged weights have no code */
function cheapestScale(parents: Int32Array, codes: Int32Array, scales: readonly number[], withGaps: boolean): { readonly scale: number; readonly bits: number } {
  const least = withGaps ? 1 : 0
  let best = { scale: 1, bits: Infinity }
  for (const scale of scales) {
    let bits = 0
    for (let at = 0; at < codes.length; at++) {
      const code = codes[at]! - least
      if (code >= 0) bits += riceLength(code, riceBits(scale, parents[at]!))
    }
    if (bits < best.bits) best = { scale, bits }
  }
  return best
}

function gapBits(codes: Int32Array, gap: number): number {
  let [bits, unchanged] = [0, 0]
  for (const code of codes) {
    if (code === 0) unchanged++
    else {
      bits += riceLength(unchanged, gap)
      unchanged = 0
    }
  }
  return unchanged > 0 ? bits + riceLength(unchanged, gap) : bits
}

function riceBits(scale: number, parent: number): number {
  return Math.max(0, Math.min(scale - exponent(parent), MOST_RICE_BITS))
}

function riceLength(value: number, bits: number): number {
  const ones = value >>> bits
  return ones < MOST_ONES ? ones + 1 + bits : MOST_ONES + 32
}

function writeRice(writer: BitWriter, value: number, bits: number): void {
  const ones = value >>> bits
  if (ones < MOST_ONES) {
    writer.write(2 ** (ones + 1) - 2, ones + 1)
    writer.write(value & ((1 << bits) - 1), bits)
    return
  }
  writer.write(2 ** MOST_ONES - 1, MOST_ONES)
  writer.write(value >>> 16, 16)
  writer.write(value & 0xffff, 16)
}

function readRice(reader: BitReader, bits: number): number {
  const ones = reader.readOnes(MOST_ONES)
  return ones < MOST_ONES ? 2 ** bits * ones + reader.read(bits) : reader.read(16) * 2 ** 16 + reader.read(16)
}

/** A number as an integer, and back: the integers stand in the numbers' order, only −0 stands below all of them. */
function ordinal(bits: number): number {
  const least = -(2 ** 31)
  return bits >= 0 || bits === least ? bits : (least - bits) | 0
}

function exponent(bits: number): number {
  return (bits >>> 23) & 0xff
}

/** 0, −1, 1, −2, … become 0, 1, 2, 3, … */
function zigzag(difference: number): number {
  return (difference << 1) ^ (difference >> 31)
}

function unzigzag(code: number): number {
  return (code >>> 1) ^ -(code & 1)
}

/** A copy only where the bytes are not aligned. */
function bitPatterns(bytes: Uint8Array): Int32Array {
  if (bytes.byteLength % 4 !== 0) throw new Error(`${bytes.byteLength} bytes are no float32 weights`)
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return new Int32Array(buffer, byteOffset, byteLength / 4)
}
