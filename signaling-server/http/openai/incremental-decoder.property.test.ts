import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadTokenizer } from '#shared/model/tokenizer.ts'
import { runs } from '#shared/testing/property-runs.ts'
import { IncrementalDecoder } from './incremental-decoder.ts'

/** The printable stand-ins of bytes in byte-level vocabularies (Radford et al. 2019, "GPT-2", §2.2). */
const BYTE_CHARACTERS = ((): string[] => {
  const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
  let others = 0
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : 256 + others++))
})()

const added = [{ id: 256, content: '<end>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }]
function byteTokenizer(vocabulary: readonly string[], decoder: object) {
  const model = { type: 'BPE', vocab: Object.fromEntries([...vocabulary, '<end>'].map((token, id) => [token, id])), merges: [] }
  return loadTokenizer({ version: '1.0', added_tokens: added, normalizer: null, pre_tokenizer: null, post_processor: null, decoder, model }, 'tokenizer.json')
}

const byteLevel = byteTokenizer(BYTE_CHARACTERS, { type: 'ByteLevel' })
const hex = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
const byteFallback = byteTokenizer(hex, { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] })
const TOKENIZERS = [['bytes as characters', byteLevel], ['bytes as a fallback', byteFallback]] as const

const character = fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.constantFrom(' ', 'é', '字', '😀'))
const anyText = fc.string({ unit: character, maxLength: 40 }).filter(text => !text.startsWith('\uFEFF'))

describe.each(TOKENIZERS)('%s', (_, tokenizer) => {
  test('pieces are whole characters, and together they are the text', () => {
    fc.assert(
      fc.property(anyText, text => {
        const decoder = new IncrementalDecoder(tokenizer)
        const tokens = [...new TextEncoder().encode(text)]
        const pieces = tokens.map(token => decoder.push(token))
        expect(pieces.filter(piece => /\p{Surrogate}/u.test(piece))).toEqual([])
        expect(pieces.join('').includes('\uFFFD') && !text.includes('\uFFFD')).toBe(false)
        expect(pieces.join('') + decoder.flush()).toBe(tokenizer.decode(tokens))
      }),
      runs(300)
    )
  })

  test('bytes that are no text come to the same in pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(255), fc.integer({ min: 0xe0, max: 0xf0 }), fc.integer({ min: 0x80, max: 0xbf })), { maxLength: 30 }), bytes => {
        fc.pre(!(bytes[0] === 0xef && bytes[1] === 0xbb))
        const decoder = new IncrementalDecoder(tokenizer)
        expect(bytes.map(byte => decoder.push(byte)).join('') + decoder.flush()).toBe(tokenizer.decode(bytes))
      }),
      runs(300)
    )
  })
})

test('nothing is held back for ever', () => {
  const decoder = new IncrementalDecoder(byteLevel)
  const told = Array.from({ length: 100 }, () => decoder.push(0xf0)).join('')
  expect(told.length).toBeGreaterThanOrEqual(99)
})
