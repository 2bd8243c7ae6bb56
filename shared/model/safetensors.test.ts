import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelFileError } from './model-file-error.ts'
import { readSafetensors, readSafetensorsFiles, writeSafetensors } from './safetensors.ts'
import { elementCount, type Tensor } from './tensor.ts'
import { encodeUtf8 } from './utf8.ts'
import { runs } from '../testing/property-runs.ts'

const tensor = fc
  .array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })
  .chain(shape =>
    fc
      .array(fc.float({ noNaN: true }), { minLength: elementCount(shape), maxLength: elementCount(shape) })
      .map((values): Tensor => ({ shape, data: Float32Array.from(values) }))
  )
const name = fc.string({ minLength: 1, maxLength: 12 }).filter(text => text !== '__metadata__' && text !== '__proto__')
const tensors = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 5 }).map(entries => new Map(entries))

/** A file with any header, for what the writer would never write. */
function file(header: unknown, data: Uint8Array): Uint8Array {
  const json = encodeUtf8(JSON.stringify(header))
  const bytes = new Uint8Array(8 + json.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
  bytes.set(json, 8)
  bytes.set(data, 8 + json.length)
  return bytes
}

/** Any other error than the named one escapes and fails the property. */
function outcome(bytes: Uint8Array): string {
  try {
    return `read ${readSafetensors(bytes, 'f').size}`
  } catch (error) {
    if (error instanceof ModelFileError) return `refused: ${error.message}`
    throw error
  }
}

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({ dtype, shape, data_offsets: [begin, end] })

describe('safetensors', () => {
  it('reads back what it wrote, bit for bit, with aligned data', () => {
    fc.assert(
      fc.property(tensors, written => {
        const bytes = writeSafetensors(written)
        expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0)
        expect(readSafetensors(bytes, 'f')).toEqual(written)
      })
    )
  })

  it('gives equal bytes for equal tensors in any order', () => {
    fc.assert(
      fc.property(tensors, written => {
        expect(writeSafetensors(new Map([...written].toReversed()))).toEqual(writeSafetensors(written))
      })
    )
  })

  it('reads a damaged file fully or refuses it by name, and never crashes otherwise', () => {
    fc.assert(
      fc.property(tensors, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(), (written, changes, cut) => {
        const bytes = writeSafetensors(written)
        for (const [position, value] of changes) bytes[position % bytes.length] = value
        const damaged = bytes.subarray(0, bytes.length - (cut % 3 === 0 ? cut % bytes.length : 0))
        expect(outcome(damaged)).toMatch(/^(read|refused: f: .*)/)
      }),
      runs(500)
    )
  })

  it('refuses every truncation', () => {
    const bytes = writeSafetensors(new Map([['a', { shape: [2], data: Float32Array.of(1, 2) }]]))
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readSafetensors(bytes.subarray(0, length), 'f')).toThrow(ModelFileError)
    }
  })

  it('widens F16 and BF16', () => {
    const halves = Uint8Array.of(0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0x00, 0x7c)
    expect([...readSafetensors(file({ a: entry('F16', [4], 0, 8) }, halves), 'f').get('a')!.data]).toEqual([1, -2, 2 ** -24, Infinity])
    const brains = Uint8Array.of(0x80, 0x3f, 0x20, 0xc1)
    expect([...readSafetensors(file({ a: entry('BF16', [2], 0, 4) }, brains), 'f').get('a')!.data]).toEqual([1, -10])
  })

  it.each([
    ['hole', { a: entry('F32', [1], 0, 4), b: entry('F32', [1], 8, 12) }, /"b" starts at byte 8 where 4/],
    ['overlap', { a: entry('F32', [2], 0, 8), b: entry('F32', [2], 4, 12) }, /"b" starts at byte 4 where 8/],
    ['wrong size', { a: entry('F32', [4], 0, 12) }, /"a" has 12 bytes where F32 \[4\] needs 16/],
    ['trailing bytes', { a: entry('F32', [1], 0, 4) }, /8 bytes follow the last tensor/],
    ['other dtype', { a: entry('I64', [1], 0, 8) }, /dtype I64/],
    ['malformed entry', { a: { dtype: 'F32' } }, /"a" has a malformed header entry/],
    ['past the end', { a: entry('F32', [4], 0, 16) }, /truncated inside tensor "a"/]
  ])('refuses a %s', (_, header, message) => {
    expect(() => readSafetensors(file(header, new Uint8Array(12)), 'w.safetensors')).toThrow(message)
  })

  it('joins the shards of an index and refuses a missing one', async () => {
    const one = writeSafetensors(new Map([['a', { shape: [1], data: Float32Array.of(1) }]]))
    const two = writeSafetensors(new Map([['b', { shape: [1], data: Float32Array.of(2) }]]))
    const index = encodeUtf8(JSON.stringify({ metadata: {}, weight_map: { a: 'm-1.safetensors', b: 'm-2.safetensors' } }))
    const files = new Map([['model.safetensors.index.json', index], ['m-1.safetensors', one], ['m-2.safetensors', two]])
    const read = (name: string) => Promise.resolve(files.get(name))
    expect([...(await readSafetensorsFiles(read)).keys()]).toEqual(['a', 'b'])
    files.delete('m-2.safetensors')
    await expect(readSafetensorsFiles(read)).rejects.toThrow(/m-2\.safetensors: missing/)
    files.set('m-2.safetensors', one)
    await expect(readSafetensorsFiles(read)).rejects.toThrow(/"a" is in another shard/)
    files.set('model.safetensors.index.json', encodeUtf8('{"weight_map":{"a":"../a.safetensors"}}'))
    await expect(readSafetensorsFiles(read)).rejects.toThrow(/outside the directory/)
  })
})
