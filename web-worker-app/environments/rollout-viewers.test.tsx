import * as fc from 'fast-check'
import { renderToStaticMarkup } from 'react-dom/server'
import { describe, expect, test } from 'vitest'
import { environmentNamed, ENVIRONMENT_NAMES } from '#shared/environments/environments.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { isSolved } from '#shared/environments/sokoban/board.ts'
import { runs } from '#shared/testing/property-runs.ts'
import { countdownView } from './countdown-view.ts'
import { guessView } from './guess-view.ts'
import { questionView } from './question-view.ts'
import { viewRollout } from './rollout-viewers.tsx'
import type { ShownEpisode, ShownTurn } from '../session/shown-episode.ts'
import { sokobanEpisode } from './sokoban-episode.ts'
import { sokobanFrames } from './sokoban-frames.ts'
import { sumView } from './sum-view.ts'

const QUESTIONS = { questions: Array.from({ length: 64 }, (_, n) => ({ question: `What is ${n} + 1?`, answer: `${n} + 1 = ${n + 1}\n#### ${n + 1}` })) }

/** Rollouts as a trainer shows them: the environment's words, and answers that are demonstrated or given. */
function played(environment: Environment, seed: number, say: (demonstrated: string, turn: number) => string): ShownEpisode {
  let state = environment.start(environment.sample(seed, 'train'))
  const turns: ShownTurn[] = []
  let reward = 0
  for (let done = false; !done; ) {
    const prompt = environment.render(state)
    const completion = say(environment.demonstrate!(state), turns.length)
    const stepped = environment.step(state, completion)
    turns.push({ prompt, completion })
    state = stepped.state
    reward += stepped.reward
    done = stepped.done
  }
  return { turns, record: environment.record?.(state), reward }
}

function single(prompt: string, completion: string, reward: number | null = null): ShownEpisode {
  return { turns: [{ prompt, completion }], record: undefined, reward }
}

describe('every task', () => {
  const environments = ENVIRONMENT_NAMES.map(name => environmentNamed(name, name === 'questions' ? QUESTIONS : {}))
  const garbage = fc.oneof(fc.string({ maxLength: 40 }), fc.stringMatching(/^[-+*/()=.,#0-9 \nudlrcfma<>]{0,40}$/))

  test('has a viewer for what its environment shows, whatever the policy says', () => {
    fc.assert(
      fc.property(fc.constantFrom(...environments), fc.nat(), fc.array(fc.option(garbage, { nil: undefined }), { maxLength: 8 }), (environment, seed, said) => {
        const episode = played(environment, seed, (demonstrated, turn) => said[turn] ?? demonstrated)
        expect(renderToStaticMarkup(viewRollout(environment.name, episode) ?? environment.name)).toMatch(/^</)
      }),
      runs(60)
    )
  })

  test('has none for texts that are not its own, which are then shown as they came', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ENVIRONMENT_NAMES, 'a task of another program', 'constructor'), fc.array(fc.record({ prompt: garbage, completion: garbage }), { minLength: 1, maxLength: 4 }), fc.option(garbage, { nil: undefined }), (task, turns, record) => {
        expect(viewRollout(task, { turns, record, reward: 0.5 })).toBeUndefined()
      }),
      runs(100)
    )
  })
})

describe('a sum', () => {
  test('has every step of its working checked', () => {
    expect(sumView(single('37*48?', '37*40=1480 37*8=290 what? =1776', 0.3))).toEqual({
      question: '37 × 48',
      steps: [{ text: '37 × 40 = 1480', mark: 'right' }, { text: '37 × 8 = 290', mark: 'wrong', note: '296 is right' }, { text: 'what?' }],
      result: { text: '= 1776', mark: 'wrong', note: '1776 is right, but not as it had to be written' }
    })
  })

  test('without a working is a result', () => {
    expect(sumView(single('37+08=', '045', 1))).toEqual({ question: '37 + 8', steps: [], result: { text: '= 45', mark: 'right' } })
    expect(sumView(single('37-08=', '', 0))).toMatchObject({ question: '37 − 8', result: { text: '= (nothing)', mark: 'wrong', note: '29 is right' } })
    expect(sumView(single('2+3*4=', '14'))).toMatchObject({ result: { mark: 'right' } })
  })
})

test('an expression is taken apart, or what is wrong with it is said and where', () => {
  expect(countdownView(single('countdown 3 5 7=36:', '3*(5+7)', 1))).toEqual({
    question: 'Reach 36 with 3, 5, 7',
    steps: [{ text: '5 + 7 = 12' }, { text: '3 × 12 = 36' }],
    result: { text: '3*(5+7)', mark: 'right', note: 'comes to 36' }
  })
  expect(countdownView(single('countdown 3 5 7=15:', '3*5', 0.1))?.result).toEqual({ text: '3*5', mark: 'wrong', note: 'comes to 15, but not by the rules of this run' })
  expect(countdownView(single('countdown 3 5 7=36:', '7/(3-5)', 0.2))?.result).toMatchObject({ mark: 'wrong', note: 'comes to -7/2, not 36' })
  expect(countdownView(single('countdown 3 5 7=36:', '3*(5+x)', 0))?.result).toEqual({ text: '3*(5+x)', mark: 'wrong', note: 'a character that no expression has, at character 6' })
})

test('attempts before the last are marked by what they claim to come to, and how that compares', () => {
  expect(countdownView(single('countdown 3 5 7=36?', '(3*5=15)+7=22<7-(3*5=15)=8<(3+5=8)*7=56<3*<3*5<3*(5+7=12)=36>3*(5+7=12)=36', 1))).toEqual({
    question: 'Reach 36 with 3, 5, 7',
    steps: [
      { text: '(3*5=15)+7=22<', mark: 'right' },
      { text: '7-(3*5=15)=8<', mark: 'wrong', note: '-8 is right' },
      { text: '(3+5=8)*7=56<', mark: 'wrong', note: '56 > 36' },
      { text: '3*<', mark: 'wrong', note: 'a number is missing' },
      { text: '3*5<' },
      { text: '3*(5+7=12)=36>', mark: 'wrong', note: '36 = 36' },
      { text: '5 + 7 = 12' },
      { text: '3 × 12 = 36' }
    ],
    result: { text: '3*(5+7)', mark: 'right', note: 'comes to 36' }
  })
  expect(countdownView(single('countdown 3 5 7=36?', '3*(5+7)=36<<', 0))?.result).toEqual({ text: '(nothing)', mark: 'wrong', note: 'a number is missing, at character 1' })
})

test('a guess leaves a range open', () => {
  const turns = [
    { prompt: 'guess 1-20:', completion: '10' },
    { prompt: 'higher:', completion: '5' },
    { prompt: 'higher:', completion: 'x' },
    { prompt: 'a number:', completion: '15' }
  ]
  expect(guessView({ turns, record: undefined, reward: 1 })).toEqual({
    question: 'A number from 1 to 20',
    steps: [
      { text: '10', note: 'higher', open: { low: 11, high: 20, of: 20 } },
      { text: '5', note: 'higher; was ruled out before', open: { low: 11, high: 20, of: 20 } },
      { text: 'x', note: 'no number' }
    ],
    result: { text: '15', mark: 'right', note: 'found' }
  })
})

test('what no game of guesses says is none', () => {
  const turns = [{ prompt: 'guess 1-20:', completion: '10' }, { prompt: 'warmer:', completion: '5' }]
  expect(guessView({ turns, record: undefined, reward: 0 })).toBeUndefined()
})

test('equations in words are checked where they are of whole numbers', () => {
  const working = 'He has 3 + 4 = <<3+4=7>>7 apples.\nThen 7 * $2 = $15.\nThat is 2*(3+4) = 15.\nHalf of it: 3.5*2=7\n#### 15'
  expect(questionView(single('Tom?\nanswer:', working, 0.1))).toEqual({
    question: 'Tom?',
    steps: [{ text: 'He has 3 + 4 = 7 apples.', mark: 'right' }, { text: 'Then 7 * $2 = $15.' }, { text: 'That is 2*(3+4) = 15.', mark: 'wrong' }, { text: 'Half of it: 3.5*2=7' }],
    result: { text: '15', mark: 'wrong' }
  })
})

test('a board that does not follow from the one before is no rollout of Sokoban', () => {
  const environment = environmentNamed('sokoban-2')
  const episode = played(environment, 3, demonstrated => demonstrated.slice(0, 2))
  expect(episode.turns.length).toBeGreaterThan(1)
  expect(sokobanEpisode(episode)).toMatchObject({ actions: episode.turns.map(({ completion }) => completion) })
  const [first, ...others] = episode.turns
  expect(sokobanEpisode({ ...episode, turns: [{ ...first!, completion: '' }, ...others] })).toBeUndefined()
  expect(sokobanEpisode({ ...episode, turns: others })).toBeDefined()
})

test('a turn is read up to the number of moves that the boards and the outcome show', () => {
  const environment = environmentNamed('sokoban-1', { movesPerTurn: 2 })
  const limits = Array.from({ length: 12 }, (_, seed) => {
    const episode = played(environment, seed, demonstrated => `${demonstrated}uull`)
    const { start, actions, movesPerTurn } = sokobanEpisode(episode)!
    expect(isSolved(sokobanFrames(start, actions, movesPerTurn).at(-1)!.board)).toBe(episode.reward === 1)
    return movesPerTurn
  })
  expect(limits).toContain(2)
})

test('a last turn is not read beyond what the outcome allows', () => {
  const outcomes = Array.from({ length: 12 }, (_, seed) => {
    const solution = played(environmentNamed('sokoban-1'), seed, demonstrated => demonstrated).turns.map(({ completion }) => completion).join('')
    const episode = played(environmentNamed('sokoban-1', { movesPerTurn: 2, turns: 1 }), seed, () => solution)
    const { start, actions, movesPerTurn } = sokobanEpisode(episode)!
    expect(isSolved(sokobanFrames(start, actions, movesPerTurn).at(-1)!.board)).toBe(episode.reward === 1)
    return episode.reward === 1
  })
  expect(outcomes).toContain(false)
})
