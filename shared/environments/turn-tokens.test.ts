import { expect, test } from 'vitest'
import { BOS_TOKEN_ID, characterTokenizer, EOS_TOKEN_ID } from '../model/character-tokenizer.ts'
import { loadTokenizer } from '../model/tokenizer.ts'
import { actionText, promptTokens } from './turn-tokens.ts'

const tokenizer = loadTokenizer(characterTokenizer().tokenizerJson, 'tokenizer.json')

test('a prompt starts with the start token', () => {
  expect(promptTokens(tokenizer, BOS_TOKEN_ID, '1+1=')).toEqual([BOS_TOKEN_ID, ...tokenizer.encode('1+1=')])
})

test('an action is the text before a final end token; other special tokens stay visible', () => {
  const digits = tokenizer.encode('85')
  expect(actionText(tokenizer, [EOS_TOKEN_ID], [...digits, EOS_TOKEN_ID])).toBe('85')
  expect(actionText(tokenizer, [EOS_TOKEN_ID], digits)).toBe('85')
  expect(actionText(tokenizer, [EOS_TOKEN_ID], [EOS_TOKEN_ID])).toBe('')
  expect(actionText(tokenizer, [EOS_TOKEN_ID], [digits[0]!, EOS_TOKEN_ID, digits[1]!])).not.toBe('85')
})
