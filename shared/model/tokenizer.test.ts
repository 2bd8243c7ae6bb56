import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BOS_TOKEN_ID, characterTokenizer, CHARACTER_VOCABULARY_SIZE, EOS_TOKEN_ID } from './character-tokenizer.ts'
import { ModelFileError } from './model-file-error.ts'
import { loadTokenizer } from './tokenizer.ts'

const tokenizer = loadTokenizer(JSON.parse(JSON.stringify(characterTokenizer().tokenizerJson)), 'tokenizer.json')
const printable = fc.string({ unit: fc.constantFrom('\n', ...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))), maxLength: 300 })

describe('characterTokenizer', () => {
  it('has 99 tokens', () => {
    expect(CHARACTER_VOCABULARY_SIZE).toBe(99)
    expect(tokenizer.encode('~')).toEqual([98])
  })

  it('gives one token per character and reads every printable text back', () => {
    fc.assert(
      fc.property(printable, text => {
        const ids = tokenizer.encode(text)
        expect(ids).toHaveLength(text.length)
        expect(ids.every(id => id > EOS_TOKEN_ID && id < CHARACTER_VOCABULARY_SIZE)).toBe(true)
        expect(tokenizer.decode(ids)).toBe(text)
        expect(tokenizer.decode([BOS_TOKEN_ID, ...ids, EOS_TOKEN_ID], { skipSpecial: true })).toBe(text)
      })
    )
  })

  it('drops characters that it does not have', () => {
    expect(tokenizer.decode(tokenizer.encode('aéb'))).toBe('ab')
  })
})

describe('loadTokenizer', () => {
  it.each([null, 'x', {}, { model: {} }, { ...characterTokenizer().tokenizerJson, model: { type: 'Magic' } }])('refuses %j by name', json => {
    expect(() => loadTokenizer(json, 'tokenizer.json')).toThrow(ModelFileError)
    expect(() => loadTokenizer(json, 'tokenizer.json')).toThrow(/^tokenizer\.json: [^\n]+$/)
  })
})
