import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BOS_TOKEN_ID, characterTokenizer, EOS_TOKEN_ID } from '../model/character-tokenizer.ts'
import { loadTokenizer, type Tokenizer } from '../model/tokenizer.ts'
import { conversation } from '../testing/conversation.ts'
import type { Environment } from './environment.ts'
import { beginEpisode, replayEpisode, takeTurn, tokensDrawn, type EpisodeLimits, type EpisodeRules } from './episode.ts'

const tokenizer = loadTokenizer(characterTokenizer().tokenizerJson, 'tokenizer.json')
const LIMITS: EpisodeLimits = { turns: 4, maxTokens: 5, rolloutTokens: 200 }

function rules<Task, State>(environment: Environment<Task, State>, limits: Partial<EpisodeLimits> = {}): EpisodeRules<Task, State> {
  return { environment, tokenizer, bosTokenId: BOS_TOKEN_ID, eosTokenIds: [EOS_TOKEN_ID], limits: { ...LIMITS, ...limits } }
}

const action = fc.array(fc.integer({ min: 3, max: 98 }), { minLength: 1, maxLength: 4 }).chain(tokens => fc.boolean().map(ended => (ended ? [...tokens, EOS_TOKEN_ID] : tokens)))

describe('an episode', () => {
  test('is one sequence: prompt, then actions as they were drawn and observations, told apart by its mask', () => {
    const given = rules(conversation(3))
    const [first, second, third] = [[...tokenizer.encode('one'), EOS_TOKEN_ID], tokenizer.encode('two'), [EOS_TOKEN_ID]]
    const begun = beginEpisode(given, 'hello')
    expect(begun).toMatchObject({ tokens: [BOS_TOKEN_ID, ...tokenizer.encode('hello')], mask: [], shown: 'hello', end: null })
    const going = takeTurn(given, takeTurn(given, begun, first), second)
    expect(going).toMatchObject({ shown: '2>two|', end: null, reward: 2 / 3 })
    const over = takeTurn(given, going, third)
    const [heardFirst, heardSecond] = ['1>one|', '2>two|'].map(text => tokenizer.encode(text)) as [number[], number[]]
    expect(over.tokens).toEqual([...begun.tokens, ...first, ...heardFirst, ...second, ...heardSecond, ...third])
    expect(over.mask).toEqual([first, heardFirst, second, heardSecond, third].flatMap((part, index) => part.map(() => 1 - (index % 2))))
    expect(over).toMatchObject({ promptLength: begun.tokens.length, end: 'done', shown: '', actions: [first, second, third] })
    expect(over.reward).toBe(1)
    expect(over.turns).toEqual([
      { shown: 'hello', said: 'one' },
      { shown: '1>one|', said: 'two' },
      { shown: '2>two|', said: '' }
    ])
    expect(tokensDrawn(over)).toBe(first.length + second.length + third.length)
  })

  test('never encodes an action again, even where its text has shorter ids', () => {
    const merging: Tokenizer = { encode: text => Array.from(text.replaceAll('ab', 'M'), letter => letter.charCodeAt(0)), decode: ids => String.fromCharCode(...ids).replaceAll('M', 'ab') }
    const given = { ...rules(conversation(2)), tokenizer: merging }
    const played = takeTurn(given, beginEpisode(given, 'q'), [97, 98])
    expect(merging.encode(merging.decode([97, 98]))).toHaveLength(1)
    expect(played.tokens.slice(2, 4)).toEqual([97, 98])
    expect(played.mask.slice(0, 2)).toEqual([1, 1])
  })

  test('is the same for the same seed and actions, and as plain data what it was', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(action, { minLength: 1, maxLength: 4 }), (seed, actions) => {
        const environment = conversation(4)
        const task = environment.sample(seed, 'train')
        const once = replayEpisode(rules(environment), task, actions)
        expect(replayEpisode(rules(conversation(4)), conversation(4).sample(seed, 'train'), actions)).toEqual(once)
        expect(JSON.parse(JSON.stringify(once))).toEqual(once)
        expect(once.mask).toHaveLength(once.tokens.length - once.promptLength)
        expect(once.tokens.filter((_, at) => at >= once.promptLength && once.mask[at - once.promptLength] === 1)).toEqual(actions.flat())
      })
    )
  })

  test('is cut off at the most turns, and where a longest action would not fit any more; never goes on after its end', () => {
    const turns = rules(conversation(9), { turns: 2 })
    const said = tokenizer.encode('abc')
    const cut = replayEpisode(turns, 'hello', [said, said])
    expect(cut).toMatchObject({ end: 'turns', success: false, reward: 2 / 9 })
    expect(() => takeTurn(turns, cut, said)).toThrow('the episode is over')
    // bos + hello + abc + "1>abc|" are 15 tokens; another action of five makes 20.
    const fits = (rolloutTokens: number) => replayEpisode(rules(conversation(9), { rolloutTokens }), 'hello', [said])
    expect(fits(20).end).toBeNull()
    expect(fits(19)).toMatchObject({ end: 'tokens', shown: '' })
    expect(fits(19).tokens).toHaveLength(9)
    expect(() => beginEpisode(rules(conversation(9), { rolloutTokens: 10 }), 'hello')).toThrow('a prompt of 6 tokens leaves no room for 5 more within 10')
  })

  test.each([[-0.1], [0.6], [Number.NaN]])('does not take a reward of %d a turn, twice', reward => {
    const plain = conversation(2)
    const given = rules({ ...plain, step: (state, text) => ({ ...plain.step(state, text), reward }) })
    expect(() => replayEpisode(given, 'hello', [[5], [5]])).toThrow(/environment "conversation" gave a reward of/)
  })

  test('keeps the newest of each metric', () => {
    const plain = conversation(2)
    const given = rules({
      ...plain,
      step: (state, text) => {
        const result = plain.step(state, text)
        return { ...result, info: { success: false, metrics: { said: result.state.said.length, ...(result.done ? {} : { first: 1 }) } } }
      }
    })
    expect(replayEpisode(given, 'hello', [[5], [6]]).metrics).toEqual({ said: 2, first: 1 })
  })
})
