/**
 * The safetensors format: `u64 header length | JSON header | data` (github.com/huggingface/safetensors, "Format").
 * Offsets cover the data completely: no holes, no overlaps. Values are little-endian, as every machine is that runs onnxruntime.
 */
import { v } from '../protocol/schema.ts'
import { halfToFloat } from './half-float.ts'
import { ModelFileError } from './model-file-error.ts'
import { elementCount, type Tensor, type Tensors } from './tensor.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

const LENGTH_BYTES = 8
/** The limit of the format's own implementation. */
const MAX_HEADER_BYTES = 100_000_000
const MAX_SHAPE_RANK = 8

const ELEMENT_BYTES = { F32: 4, F16: 2, BF16: 2 } as const
type StoredType = keyof typeof ELEMENT_BYTES

const offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const entrySchema = v.object({
  dtype: v.string(),
  shape: v.pipe(v.array(offset), v.maxLength(MAX_SHAPE_RANK)),
  data_offsets: v.tuple([offset, offset])
})

interface Entry {
  readonly name: string
  readonly type: StoredType
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

/**
 * Reads every tensor as float32. F32 data is copied, so the result does not keep `bytes` alive.
 * @param file names the file in errors
 * @throws {ModelFileError} on anything that is not a complete, gap-free safetensors file of F32, F16 or BF16 tensors
 */
export function readSafetensors(bytes: Uint8Array, file: string): Map<string, Tensor> {
  const { entries, dataStart } = readHeader(bytes, file)
  return new Map(
    entries.map(entry => {
      const raw = bytes.subarray(dataStart + entry.begin, dataStart + entry.end)
      return [entry.name, { shape: entry.shape, data: toFloat32(raw, entry.type) }]
    })
  )
}

function readHeader(bytes: Uint8Array, file: string): { entries: Entry[]; dataStart: number } {
  if (bytes.byteLength < LENGTH_BYTES) throw new ModelFileError(file, `truncated: ${bytes.byteLength} bytes is too short for a safetensors file; download it again`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerBytes = view.getBigUint64(0, true)
  if (headerBytes > BigInt(MAX_HEADER_BYTES)) throw new ModelFileError(file, `header of ${headerBytes} bytes is too long; this is not a safetensors file`)
  const dataStart = LENGTH_BYTES + Number(headerBytes)
  if (dataStart > bytes.byteLength) throw new ModelFileError(file, `truncated inside the header (${bytes.byteLength} of ${dataStart} bytes); download it again`)
  const json = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart), file)
  const entries = Object.entries(json)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => toEntry(name, value, file))
  checkCoverage(entries, bytes.byteLength - dataStart, file)
  return { entries, dataStart }
}

function parseHeader(bytes: Uint8Array, file: string): object {
  let json: unknown
  try {
    json = JSON.parse(decodeUtf8(bytes))
  } catch {
    json = undefined
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ModelFileError(file, 'the header is not a JSON object; the file is damaged or not safetensors')
  }
  return json
}

function toEntry(name: string, value: unknown, file: string): Entry {
  const result = v.safeParse(entrySchema, value)
  if (!result.success) throw new ModelFileError(file, `tensor "${name}" has a malformed header entry; the file is damaged`)
  const { dtype, shape, data_offsets: [begin, end] } = result.output
  if (!Object.hasOwn(ELEMENT_BYTES, dtype)) throw new ModelFileError(file, `tensor "${name}" has dtype ${dtype}; only F32, F16 and BF16 are read`)
  const type = dtype as StoredType
  const expected = elementCount(shape) * ELEMENT_BYTES[type]
  if (end - begin !== expected) throw new ModelFileError(file, `tensor "${name}" has ${end - begin} bytes where ${dtype} [${shape}] needs ${expected}; the file is damaged`)
  return { name, type, shape, begin, end }
}

function checkCoverage(entries: readonly Entry[], dataBytes: number, file: string): void {
  let position = 0
  for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== position) throw new ModelFileError(file, `tensor "${entry.name}" starts at byte ${entry.begin} where ${position} was expected; the file is damaged`)
    if (entry.end > dataBytes) throw new ModelFileError(file, `truncated inside tensor "${entry.name}" (${dataBytes} of at least ${entry.end} data bytes); download it again`)
    position = entry.end
  }
  if (position !== dataBytes) throw new ModelFileError(file, `${dataBytes - position} bytes follow the last tensor; the file is damaged`)
}

function toFloat32(raw: Uint8Array, type: StoredType): Float32Array<ArrayBuffer> {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  const count = raw.byteLength / ELEMENT_BYTES[type]
  const data = new Float32Array(count)
  if (type === 'F32') {
    new Uint8Array(data.buffer).set(raw)
  } else if (type === 'BF16') {
    const bits = new Uint32Array(data.buffer)
    for (let index = 0; index < count; index++) bits[index] = view.getUint16(2 * index, true) << 16
  } else {
    for (let index = 0; index < count; index++) data[index] = halfToFloat(view.getUint16(2 * index, true))
  }
  return data
}

/** Writes F32 tensors in name order, so equal tensors give equal bytes. The data starts 8-byte aligned. */
export function writeSafetensors(tensors: Tensors): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  const sorted = [...tensors].toSorted(([a], [b]) => (a < b ? -1 : 1))
  let end = 0
  for (const [name, tensor] of sorted) {
    const begin = end
    end += 4 * tensor.data.length
    header[name] = { dtype: 'F32', shape: tensor.shape, data_offsets: [begin, end] }
  }
  const json = encodeUtf8(JSON.stringify(header))
  const headerBytes = Math.ceil(json.byteLength / 8) * 8
  const dataStart = LENGTH_BYTES + headerBytes
  const bytes = new Uint8Array(dataStart + end)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(headerBytes), true)
  bytes.fill(0x20, LENGTH_BYTES, dataStart)
  bytes.set(json, LENGTH_BYTES)
  let position = dataStart
  for (const [, tensor] of sorted) {
    bytes.set(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength), position)
    position += tensor.data.byteLength
  }
  return bytes
}

const indexSchema = v.object({ weight_map: v.record(v.string(), v.pipe(v.string(), v.regex(/^[\w.-]+\.safetensors$/))) })

/**
 * Reads all tensors of a model in `model.safetensors` or, when that is absent, in the shards that
 * `model.safetensors.index.json` names.
 * @param read gives a file of the model directory, or undefined when it does not exist
 */
export async function readSafetensorsFiles(read: (file: string) => Promise<Uint8Array | undefined>): Promise<Map<string, Tensor>> {
  const single = await read('model.safetensors')
  if (single !== undefined) return readSafetensors(single, 'model.safetensors')
  const indexFile = 'model.safetensors.index.json'
  const index = await read(indexFile)
  if (index === undefined) throw new ModelFileError('model.safetensors', 'missing; put the weights (or their model.safetensors.index.json) beside config.json')
  const result = v.safeParse(indexSchema, parseHeader(index, indexFile))
  if (!result.success) throw new ModelFileError(indexFile, 'weight_map is missing or names a file outside the directory; download it again')
  const all = new Map<string, Tensor>()
  const shards = new Set(Object.values(result.output.weight_map))
  for (const shard of shards) {
    const bytes = await read(shard)
    if (bytes === undefined) throw new ModelFileError(shard, `missing, though ${indexFile} names it; download it`)
    for (const [name, tensor] of readSafetensors(bytes, shard)) {
      if (all.has(name)) throw new ModelFileError(shard, `tensor "${name}" is in another shard too; the files do not belong together`)
      all.set(name, tensor)
    }
  }
  return all
}
