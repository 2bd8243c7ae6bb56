/** Judges turns whose form and lease are in order: one trusted prefill per version, then the environment. */
import { tokensDrawn } from '#shared/environments/episode.ts'
import { logProb } from '#shared/model/sampling.ts'
import type { RejectionReason, Rollout } from '#shared/protocol/rollout.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import { checkToken } from '#shared/verification/token-check.ts'
import type { EpisodeSource, TaskKey } from '../episode-source.ts'
import type { LearnerBackend, PolicyParameters, ScoredSequence } from '../learner/learner-backend.ts'

export interface JudgementRequest {
  readonly rollout: Rollout
  readonly task: TaskKey
  /** Of its earlier turns, which were accepted. */
  readonly actions: readonly (readonly number[])[]
}

/** Texts are for people, and of this turn. */
interface Shown {
  readonly id: string
  readonly prompt: string
  readonly completion: string
}

export type Judgement =
  | (Shown & {
      readonly outcome: 'accepted'
      /** log-prob of every completion token under the version that sampled it, from the trusted prefill; in nats. */
      readonly behaviourLogProbs: Float32Array
      /** Of the rollout so far. Given by the environment; the tab has no say. */
      readonly reward: number
      /** No further turn follows. */
      readonly done: boolean
    })
  | (Shown & { readonly outcome: 'rejected'; readonly reason: RejectionReason })

export interface Judge {
  readonly backend: LearnerBackend
  readonly episodes: EpisodeSource
  /** What each kept version consists of. */
  readonly versions: ReadonlyMap<number, PolicyParameters>
}

interface Played {
  readonly request: JudgementRequest
  readonly shown: Shown
  /** All tokens before the turn, and how many random numbers they used up. */
  readonly before: readonly number[]
  readonly position: number
  readonly reward: number
  readonly done: boolean
}

/** @returns one judgement per request, in their order */
export async function judgeRollouts(judge: Judge, requests: readonly JudgementRequest[]): Promise<Judgement[]> {
  const judgements: Judgement[] = []
  for (const [version, indices] of byVersion(requests)) {
    const played = indices.map(index => play(judge, requests[index]!))
    const parameters = judge.versions.get(version)
    const judged = parameters === undefined ? played.map(({ shown }) => rejected(shown, 'wrong_version')) : await judgeVersion(judge, parameters, played)
    for (const [at, index] of indices.entries()) judgements[index] = judged[at]!
  }
  return judgements
}

function byVersion(requests: readonly JudgementRequest[]): Map<number, number[]> {
  const indices = new Map<number, number[]>()
  for (const [index, { rollout }] of requests.entries()) indices.set(rollout.version, [...(indices.get(rollout.version) ?? []), index])
  return indices
}

/** Replays the environment: prompt, observations and reward come from the task and the actions that were accepted, not from the tab. */
function play({ episodes }: Judge, request: JudgementRequest): Played {
  const before = episodes.replay(request.task, request.actions)
  const { turns, reward, end } = episodes.takeTurn(request.task, before, request.rollout.tokens)
  const shown = { id: request.rollout.id, prompt: before.shown, completion: turns.at(-1)!.said }
  return { request, shown, before: before.tokens, position: tokensDrawn(before), reward, done: end !== null }
}

async function judgeVersion({ backend }: Judge, parameters: PolicyParameters, played: readonly Played[]): Promise<Judgement[]> {
  const faults: (RejectionReason | undefined)[] = []
  const sequences = played.map(({ request, before }) => ({ tokens: [...before, ...request.rollout.tokens], promptLength: before.length }))
  const scored = await backend.score(parameters, sequences, (sequence, position, logits) => {
    const { position: drawn, request } = played[sequence]!
    const { tokens, logProbs, seed } = request.rollout
    const token = tokens[position]!
    faults[sequence] ??= checkToken(logits, { token, u: uniform(seed, drawn + position), claimed: logProbs[position]!, trusted: logProb(logits, token) })
  })
  return played.map((each, index) => conclude(each, faults[index], scored[index]!))
}

function conclude({ shown, reward, done }: Played, fault: RejectionReason | undefined, { logProbs }: ScoredSequence): Judgement {
  if (fault !== undefined) return rejected(shown, fault)
  // A version whose weights are not finite must not slip through the comparisons.
  if (!logProbs.every(Number.isFinite)) return rejected(shown, 'log_prob_mismatch')
  return { ...shown, outcome: 'accepted', behaviourLogProbs: logProbs, reward, done }
}

function rejected(shown: Shown, reason: RejectionReason): Judgement {
  return { ...shown, outcome: 'rejected', reason }
}
