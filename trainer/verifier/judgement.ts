/** Judges rollouts whose form and lease are in order: one trusted prefill per version, then the environment. */
import type { Environment } from '#shared/environments/environment.ts'
import { actionText, promptTokens } from '#shared/environments/turn-tokens.ts'
import type { Model } from '#shared/model/model-directory.ts'
import { logProb } from '#shared/model/sampling.ts'
import type { RejectionReason, Rollout } from '#shared/protocol/rollout.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import { checkToken } from '#shared/verification/token-check.ts'
import type { LearnerBackend, PolicyParameters, ScoredSequence } from '../learner/learner-backend.ts'

export interface JudgementRequest {
  readonly rollout: Rollout
  /** Draws the rollout's task from the training split. */
  readonly taskSeed: string
}

/** Texts are for people. */
interface Shown {
  readonly id: string
  readonly prompt: string
  readonly completion: string
}

export type Judgement =
  | (Shown & {
      readonly outcome: 'accepted'
      readonly promptTokens: readonly number[]
      /** log-prob of every completion token under the version that sampled it, from the trusted prefill; in nats. */
      readonly behaviourLogProbs: Float32Array
      /** Given by the environment; the tab has no say. */
      readonly reward: number
    })
  | (Shown & { readonly outcome: 'rejected'; readonly reason: RejectionReason })

export interface Judge {
  readonly model: Model
  readonly backend: LearnerBackend
  readonly environment: Environment
  /** What each kept version consists of. */
  readonly versions: ReadonlyMap<number, PolicyParameters>
}

interface Played {
  readonly request: JudgementRequest
  readonly shown: Shown
  readonly promptTokens: readonly number[]
  readonly reward: number
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

/** Replays the environment: prompt and reward come from the task, not from the tab. */
function play({ model: { tokenizer, config }, environment }: Judge, request: JudgementRequest): Played {
  const state = environment.start(environment.sample(request.taskSeed, 'train'))
  const prompt = environment.render(state)
  const completion = actionText(tokenizer, config.eosTokenIds, request.rollout.tokens)
  const { reward } = environment.step(state, completion)
  return { request, shown: { id: request.rollout.id, prompt, completion }, promptTokens: promptTokens(tokenizer, config.bosTokenId, prompt), reward }
}

async function judgeVersion({ backend }: Judge, parameters: PolicyParameters, played: readonly Played[]): Promise<Judgement[]> {
  const faults: (RejectionReason | undefined)[] = []
  const sequences = played.map(({ request, promptTokens: prompt }) => ({ tokens: [...prompt, ...request.rollout.tokens], promptLength: prompt.length }))
  const scored = await backend.score(parameters, sequences, (sequence, position, logits) => {
    const { tokens, logProbs, seed } = played[sequence]!.request.rollout
    const token = tokens[position]!
    faults[sequence] ??= checkToken(logits, { token, u: uniform(seed, position), claimed: logProbs[position]!, trusted: logProb(logits, token) })
  })
  return played.map((each, index) => conclude(each, faults[index], scored[index]!))
}

function conclude({ shown, promptTokens: prompt, reward }: Played, fault: RejectionReason | undefined, { logProbs }: ScoredSequence): Judgement {
  if (fault !== undefined) return rejected(shown, fault)
  // A version whose weights are not finite must not slip through the comparisons.
  if (!logProbs.every(Number.isFinite)) return rejected(shown, 'log_prob_mismatch')
  return { ...shown, outcome: 'accepted', promptTokens: prompt, behaviourLogProbs: logProbs, reward }
}

function rejected(shown: Shown, reason: RejectionReason): Judgement {
  return { ...shown, outcome: 'rejected', reason }
}
