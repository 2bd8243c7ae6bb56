import { completionPositions, type TokenSequence } from './learner-backend.ts'
import type { TrainedPolicy, UpdateOutcome } from './trained-policy.ts'

export interface SupervisedOutcome extends UpdateOutcome {
  /** Mean cross-entropy per completion token, in nats, before the update. */
  readonly loss: number
  /** Completion tokens that were learnt from. */
  readonly tokens: number
}

/** One update on examples: minimises −Σ log π(token) / N over the completion tokens of the batch; prompts and observations are not learnt. */
export async function supervisedStep(policy: TrainedPolicy, examples: readonly TokenSequence[]): Promise<SupervisedOutcome> {
  const tokens = examples.reduce((sum, example) => sum + completionPositions(example).length, 0)
  let loss = 0
  const outcome = await policy.update(
    examples,
    (_, { logProbs }) => {
      loss -= logProbs.reduce((sum, logProb) => sum + logProb, 0) / tokens
      return new Float32Array(logProbs.length).fill(-1 / tokens)
    },
    () => loss
  )
  return { ...outcome, loss, tokens }
}
