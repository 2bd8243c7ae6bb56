import { describe, expect, test } from 'vitest'
import { eventStreamReader } from './event-stream.ts'
import { firstTokenMs, shadedTokens, stepAnswer, tokensPerSecond, type AnswerInput, type AnswerPart, type AnswerState } from './answer-state.ts'

function part(text: string, offsets: readonly number[], finish: AnswerPart['finish'] = null): AnswerPart {
  return { id: 'cmpl-1', model: 'run@3', text, tokens: offsets.map(offset => ({ offset, logProb: Math.log(0.5) })), finish }
}

function after(...inputs: readonly AnswerInput[]): AnswerState {
  return inputs.reduce<AnswerState | null>(stepAnswer, null)!
}

const asked: AnswerInput = { kind: 'asked', now: 1000 }

describe('an answer', () => {
  test('grows part by part; its rate is that of the tokens after the first part', () => {
    const state = after(asked, { kind: 'parts', now: 1200, parts: [part('a', [0, 0])] }, { kind: 'parts', now: 1400, parts: [part('b', [1]), part('', [2], 'stop')] }, { kind: 'over', how: 'whole' })
    expect(state).toMatchObject({ id: 'cmpl-1', model: 'run@3', text: 'ab', end: 'stop' })
    expect([firstTokenMs(state), tokensPerSecond(state)]).toEqual([200, 10])
  })

  test('that stops without an end is cut off, unless a person stopped it', () => {
    const begun: AnswerInput[] = [asked, { kind: 'parts', now: 1200, parts: [part('a', [0])] }]
    expect(after(...begun, { kind: 'over', how: 'whole' }).end).toBe('cut_off')
    expect(after(...begun, { kind: 'over', how: 'stopped' }).end).toBe('stopped')
    expect(tokensPerSecond(after(...begun))).toBeNull()
  })

  test('is refused before its first token and broken off after it', () => {
    const refusal = { kind: 'refused', refusal: { code: 'layers_missing', message: '', missing: [] } } as const
    expect(after(asked, refusal, { kind: 'over', how: 'whole' })).toMatchObject({ end: 'refused', text: '' })
    expect(after(asked, { kind: 'parts', now: 1200, parts: [part('a', [0])] }, refusal)).toMatchObject({ end: 'broken', text: 'a' })
  })

  test('is forgotten with the next question, and its late parts change nothing', () => {
    const done = after(asked, { kind: 'parts', now: 1200, parts: [part('a', [0], 'length')] })
    expect(stepAnswer(done, { kind: 'parts', now: 1300, parts: [part('b', [1])] })).toEqual(done)
    expect(stepAnswer(done, asked)).toMatchObject({ text: '', end: null, firstAt: null })
    expect(stepAnswer(null, { kind: 'over', how: 'stopped' })).toBeNull()
  })

  test('is shaded token by token; halves of a character and the end have no text', () => {
    const tokens = [0.95, 0.6, 0.3, 0.1, 0.01].map((probability, index) => ({ offset: [0, 1, 1, 3, 4][index]!, logProb: Math.log(probability) }))
    const shaded = shadedTokens({ text: 'a😀b', tokens })
    expect(shaded.map(({ text }) => text)).toEqual(['a', '', '😀', 'b', ''])
    expect(shaded.map(({ likelihood }) => likelihood)).toEqual([4, 3, 2, 1, 0])
  })
})

test('events are whole, however their bytes were cut', () => {
  const stream = 'data: {"a":1}\n\n: a comment\n\ndata: one\ndata: two\r\n\r\ndata: [DONE]\n\n'
  for (let size = 1; size < 8; size++) {
    const read = eventStreamReader()
    const events = (stream.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []).flatMap(read)
    expect(events).toEqual(['{"a":1}', 'one\ntwo', '[DONE]'])
  }
})
