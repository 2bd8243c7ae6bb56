/** Plays episodes of every task from seeds alone, in whatever runtime this is called, and says by hashes what came of them. */
import { sha256Hex } from '#shared/crypto/sha256.ts'
import type { Environment, Split } from '#shared/environments/environment.ts'
import { environmentNamed, ENVIRONMENT_NAMES } from '#shared/environments/environments.ts'
import { createRng, type Rng } from '#shared/random/rng.ts'

const QUESTIONS = { questions: Array.from({ length: 64 }, (_, n) => ({ question: `What is ${n} + 1?`, answer: `#### ${n + 1}` })) }

/** The defaults, and what those leave out. */
const OPTIONS: Readonly<Record<string, readonly object[]>> = {
  arithmetic: [{}, { operations: ['+', '-', '*'], operands: 3, scratchpad: true }],
  countdown: [{}, { numbers: 4, operations: ['+', '-', '*', '/'], useAll: false }],
  holdem: [{}, ...['random', 'calling-station', 'loose-passive', 'maniac'].map(opponent => ({ opponent, stack: 40 }))],
  questions: [QUESTIONS]
}

const LETTERS = 'udlrfcmhpa0123456789+-*/()=# '

export interface EpisodesHash {
  readonly name: string
  readonly seed: string
  readonly steps: number
  readonly observations: string
  readonly rewards: string
  readonly states: string
}

/** @param seeds episodes of each task and its options */
export function playSeededEpisodes(seeds: number): EpisodesHash[] {
  return ENVIRONMENT_NAMES.flatMap(name =>
    (OPTIONS[name] ?? [{}]).flatMap((options, variant) => {
      const environment = environmentNamed(name, options)
      return Array.from({ length: seeds }, (_, seed) => played(environment, `${variant}/${seed}`, seed % 2 === 0 ? 'train' : 'held-out'))
    })
  )
}

function played(environment: Environment, seed: string, split: Split): EpisodesHash {
  const rng = createRng(`actions/${environment.name}/${seed}`)
  let state = environment.start(environment.sample(seed, split))
  const observations = [environment.render(state)]
  const rewards: unknown[] = []
  const states: unknown[] = [state]
  for (let done = false; !done; ) {
    const { state: next, ...result } = environment.step(state, actionOf(environment, state, rng))
    state = next
    done = result.done
    rewards.push(result)
    states.push(state)
    observations.push(done ? environment.view(state) : environment.render(state))
  }
  return { name: environment.name, seed, steps: rewards.length, observations: hashOf(observations), rewards: hashOf(rewards), states: hashOf(states) }
}

/** Right as often as not, else of letters that some task knows. */
function actionOf(environment: Environment, state: unknown, rng: Rng): string {
  if (rng.below(2) === 0) return environment.demonstrate!(state)
  return Array.from({ length: 1 + rng.below(6) }, () => LETTERS[rng.below(LETTERS.length)]!).join('')
}

function hashOf(value: unknown): string {
  return sha256Hex(new TextEncoder().encode(JSON.stringify(value)))
}
