import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { environmentNamed } from './environments.ts'
import type { HoldemState, HoldemTask } from './holdem.ts'
import { netChips } from './holdem/hand-state.ts'
import { otherSeat } from './holdem/seat.ts'
import type { Environment, StepResult } from './environment.ts'

const environment = environmentNamed('holdem') as Environment<HoldemTask, HoldemState>
const split = fc.constantFrom('train' as const, 'held-out' as const)
const text = fc.oneof({ weight: 6, arbitrary: fc.constantFrom('f', 'c', 'm', 'h', 'p', 'a', 'r6', 'r20') }, fc.string({ maxLength: 4 }))

/** Plays a hand with these texts, then by checks and calls. */
function play(task: HoldemTask, texts: readonly string[], played = environment): StepResult<HoldemState>[] {
  const results: StepResult<HoldemState>[] = []
  let state = played.start(task)
  for (let turn = 0; results.at(-1)?.done !== true; turn++) {
    results.push(played.step(state, texts[turn] ?? 'c'))
    state = results.at(-1)!.state
  }
  return results
}

/** A task of this kind in which the policy acts first, on the button. */
const onButton = environment.sample(0, 'held-out')

describe('hold’em', () => {
  test('is pure: the same seed and texts give the same hand, as plain JSON', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(), fc.string()), split, fc.array(text, { maxLength: 6 }), (seed, split, texts) => {
        const task = environment.sample(seed, split)
        expect(environment.sample(seed, split)).toEqual(task)
        const results = play(task, texts)
        expect(play(task, texts)).toEqual(results)
        expect(JSON.parse(JSON.stringify([task, results]))).toEqual([task, results])
      }),
      runs(40)
    )
  })

  test('ends within the turns allowed, whatever the policy says, with a reward in [0, 1] that follows the chips', () => {
    fc.assert(
      fc.property(fc.nat(), split, fc.array(text, { minLength: 6, maxLength: 6 }), (seed, split, texts) => {
        const results = play(environment.sample(seed, split), texts)
        const { state, reward, info } = results.at(-1)!
        const won = netChips(state.hand, state.task.seat)
        expect(results.length).toBeLessThanOrEqual(6)
        expect(results.slice(0, -1).every(({ done, reward, info }) => !done && reward === 0 && !info.success)).toBe(true)
        expect(reward).toBeCloseTo(0.5 + won / 400, 12)
        expect(info).toMatchObject({ success: won > 0, metrics: { bigBlinds: won / 2 } })
        expect(() => environment.step(state, 'c')).toThrow('the hand is over')
      }),
      runs(40)
    )
  })

  test('counts what is no legal action as illegal and plays a check, or a fold where there is a bet', () => {
    const [folded] = play(onButton, ['hello'])
    expect(folded!.state.hand.actions).toEqual([{ street: 'preflop', seat: 0, action: { kind: 'fold' } }])
    expect(folded!.info.metrics).toEqual({ bigBlinds: -0.5, illegal: 1 })
    expect(environment.view(folded!.state)).toContain('Not played: "hello" is no action')
    const stationed = environmentNamed('holdem', { opponent: 'calling-station' }) as typeof environment
    const results = play(onButton, ['c', 'f', 'r1', 'zzz', 'c'], stationed)
    expect(results.at(-1)!.info.metrics!['illegal']).toBe(3)
    expect(results.at(-1)!.state.hand.actions.filter(({ seat }) => seat === 0).map(({ action }) => action.kind)).toEqual(['call', 'call', 'call', 'call'])
  })

  test('two neighbouring seeds share a deal, with seats swapped', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1e6 }), fc.constantFrom('', '7/'), (pair, prefix) => {
        const first = environment.sample(`${prefix}${2 * pair}`, 'held-out')
        const second = environment.sample(`${prefix}${2 * pair + 1}`, 'held-out')
        expect([first.seat, second]).toEqual([0, { ...first, seat: 1 }])
        expect(environment.start(second).hand.deal).toEqual(environment.start(first).hand.deal)
        expect(environment.sample(`${prefix}${2 * pair + 2}`, 'held-out').deal).not.toBe(first.deal)
      })
    )
  })

  test('training leaves out hands that the opponent gives up before the policy acts; held-out hands keep them', () => {
    const walks = (split: 'train' | 'held-out') => Array.from({ length: 60 }, (_, seed) => environment.start(environment.sample(seed, split))).filter(({ hand }) => hand.outcome !== undefined)
    expect(walks('train')).toEqual([])
    const [walk] = walks('held-out')
    expect(environment.render(walk!)).toMatch(/^.{4}o won:$/)
    expect(environment.step(walk!, 'anything')).toMatchObject({ done: true, info: { success: true, metrics: { bigBlinds: 0.5, illegal: 0 } } })
  })

  test('prompts say what the seat knows, in one text for all names of the suits', () => {
    const rendered = new Set<string>()
    fc.assert(
      fc.property(fc.nat(), fc.array(text, { maxLength: 6 }), (seed, texts) => {
        let state = environment.start(environment.sample(seed, 'train'))
        for (let turn = 0; state.hand.outcome === undefined; turn++) {
          rendered.add(environment.render(state).trimStart())
          state = environment.step(state, texts[turn] ?? 'c').state
        }
      }),
      runs(40)
    )
    for (const prompt of rendered) expect(prompt).toMatch(/^[2-9TJQKA]s[2-9TJQKA][sh][bo]( ([2-9TJQKA][shdc]){3,5}[0-8])? p\d{3}c\d{3}:$/)
    expect(Math.max(...[...rendered].map(({ length }) => length))).toBeLessThanOrEqual(40)
  })

  test('a whole hand fits in 256 tokens of one character', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.constantFrom('m', 'c', 'r199'), { minLength: 6, maxLength: 6 }), (seed, texts) => {
        const maniac = environmentNamed('holdem', { opponent: 'random' }) as typeof environment
        let state = maniac.start(maniac.sample(seed, 'train'))
        let tokens = 1
        for (let turn = 0; state.hand.outcome === undefined; turn++) {
          tokens += maniac.render(state).length + texts[turn]!.length + 1
          state = maniac.step(state, texts[turn]!).state
        }
        expect(tokens).toBeLessThanOrEqual(256)
      }),
      runs(40)
    )
  })

  test('demonstrates legal actions only', () => {
    for (let seed = 0; seed < 40; seed++) {
      let result: StepResult<HoldemState> | undefined
      let state = environment.start(environment.sample(seed, 'train'))
      while (result?.done !== true) {
        result = environment.step(state, environment.demonstrate!(state))
        state = result.state
      }
      expect(result.info.metrics!['illegal']).toBe(0)
    }
  })

  test('takes an opponent’s actions from the task, and gives the same hand as with the opponent that took them', () => {
    for (let seed = 0; seed < 20; seed++) {
      const task = environment.sample(seed, 'train')
      const { hand } = play(task, ['c', 'h', 'c']).at(-1)!.state
      const recorded = hand.actions.filter(({ seat }) => seat === otherSeat(task.seat)).map(({ action }) => action)
      expect(play({ ...task, recorded }, ['c', 'h', 'c']).at(-1)!.state.hand).toEqual(hand)
    }
  })

  test('shows people the hand street by street, and the other cards only at a showdown', () => {
    const stationed = environmentNamed('holdem', { opponent: 'calling-station' }) as typeof environment
    const start = stationed.start(onButton)
    expect(stationed.view(start)).toBe('you: 7s 6s, on the button\npreflop · blinds 1 and 2 · pot 3')
    const playing = stationed.step(stationed.step(start, 'r6').state, 'f')
    expect([playing.done, stationed.view(playing.state)]).toEqual([
      false,
      `you: 7s 6s, on the button
preflop · blinds 1 and 2, you: raises to 6, calling-station: calls 4 · pot 12
flop Qd 9s 7c · calling-station: checks, you: checks · pot 12
turn Qd 9s 7c Jd · calling-station: checks · pot 12
Not played: There is no bet to fold to; a check is free.`
    ])
    const { state } = play(onButton, ['r6', 'c', 'r10', 'c'], stationed).at(-1)!
    expect(stationed.view(state)).toBe(`you: 7s 6s, on the button · calling-station: 6d 2c
preflop · blinds 1 and 2, you: raises to 6, calling-station: calls 4 · pot 12
flop Qd 9s 7c · calling-station: checks, you: checks · pot 12
turn Qd 9s 7c Jd · calling-station: checks, you: bets 10, calling-station: calls 10 · pot 32
river Qd 9s 7c Jd 4d · calling-station: checks, you: checks · pot 32
board Qd 9s 7c Jd 4d · you: pair, calling-station: high card
you: +16 chips`)
  })
})
