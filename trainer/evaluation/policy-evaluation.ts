/** Measures a policy on held-out tasks: greedily, and with several samples a task. */
import type { Environment } from '#shared/environments/environment.ts'
import type { Episode, EpisodeLimits } from '#shared/environments/episode.ts'
import { rolloutSeed } from '#shared/verification/committed-randomness.ts'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import type { Estimate, SampledEvaluation } from '#shared/protocol/run-report.ts'
import { bootstrapMean, majoritySucceeds, passAtK, wilson } from './estimates.ts'
import { playEpisodes, type Play, type PlayingPolicy } from './play-episodes.ts'

export interface PolicyEvaluation {
  readonly task: string
  /** Held-out tasks. */
  readonly n: number
  readonly greedy: Estimate
  /** Mean graded reward of greedy decoding. */
  readonly reward: Estimate
  /** Of greedy decoding, by name. */
  readonly metrics: Readonly<Record<string, Estimate>>
  /** Null without any. */
  readonly sampled: SampledEvaluation | null
}

export interface EvaluationRequest<Task, State> {
  readonly environment: Environment<Task, State>
  readonly tasks: readonly Task[]
  /** k; 0 measures greedy decoding only. */
  readonly samples: number
  /** Of the random numbers of samples. */
  readonly seed: number
}

/** Plays each to its end, in their order. */
export type PlayAll<Task, State> = (plays: readonly Play<Task>[]) => Promise<Episode<State>[]>

export function evaluatePolicy<Task, State>(policy: PlayingPolicy, limits: EpisodeLimits, request: EvaluationRequest<Task, State>): Promise<PolicyEvaluation> {
  return evaluatePlay(plays => playEpisodes(policy, request.environment, plays, limits), request)
}

export async function evaluatePlay<Task, State>(playAll: PlayAll<Task, State>, { environment, tasks, samples: k, seed }: EvaluationRequest<Task, State>): Promise<PolicyEvaluation> {
  const greedy = await playAll(tasks.map(task => ({ task })))
  return {
    task: environment.name,
    n: tasks.length,
    greedy: wilson(greedy.filter(({ success }) => success).length, tasks.length),
    reward: bootstrapMean(greedy.map(({ reward }) => reward)),
    metrics: meansOf(greedy),
    sampled: k === 0 ? null : sampledEstimates(environment, await sampleAll(playAll, tasks, k, seed))
  }
}

async function sampleAll<Task, State>(playAll: PlayAll<Task, State>, tasks: readonly Task[], k: number, seed: number): Promise<Episode<State>[][]> {
  const secret = Uint8Array.from(Buffer.from(sha256Hex(new TextEncoder().encode(`evaluation/${seed}`)), 'hex'))
  const plays = tasks.flatMap((task, index) => Array.from({ length: k }, (_, sample) => ({ task, seed: rolloutSeed(secret, index, sample) })))
  const episodes = await playAll(plays)
  return tasks.map((_, index) => episodes.slice(index * k, (index + 1) * k))
}

function sampledEstimates<State>(environment: Environment<unknown, State>, samples: readonly Episode<State>[][]): SampledEvaluation {
  const k = samples[0]!.length
  const successes = samples.map(episodes => episodes.filter(({ success }) => success).length)
  const votes = samples.map(episodes => majoritySucceeds(episodes.map(({ state, turns, success }) => ({ answer: environment.answer?.(state) ?? turns.at(-1)!.said.trim(), success }))))
  return {
    k,
    avg: bootstrapMean(successes.map(count => count / k)),
    pass: powersUpTo(k).map(j => ({ j, estimate: bootstrapMean(successes.map(count => passAtK(k, count, j))) })),
    maj: wilson(votes.filter(Boolean).length, votes.length)
  }
}

function powersUpTo(k: number): number[] {
  const powers: number[] = []
  for (let power = 1; power < k; power *= 2) powers.push(power)
  return [...powers, k]
}

/** Of each metric, over the tasks that have it. */
function meansOf(episodes: readonly Episode[]): Record<string, Estimate> {
  const names = new Set(episodes.flatMap(({ metrics }) => Object.keys(metrics)))
  return Object.fromEntries([...names].map(name => [name, bootstrapMean(episodes.flatMap(({ metrics }) => metrics[name] ?? []))]))
}
