/**
 * Everything about a rollout that can be checked without running the model, cheapest first. Whether its lease is known, held by
 * the sender and of its version is the coordinator's to say (`shared/coordination`), before this.
 */
import type { RejectionReason, Rollout } from '../protocol/rollout.ts'

/** What the assignment fixed and the model allows. */
export interface RolloutTerms {
  /** Hash of the manifest of the rollout's version. */
  readonly manifestHash: string
  readonly seed: string
  readonly vocabSize: number
  readonly eosTokenIds: readonly number[]
  readonly maxTokens: number
}

/** @returns the first fault, or undefined when only the model can tell more */
export function checkRollout(rollout: Rollout, terms: RolloutTerms): RejectionReason | undefined {
  if (rollout.id !== `${rollout.prompt}/${rollout.index}`) return 'malformed'
  if (rollout.manifestHash !== terms.manifestHash) return 'wrong_manifest'
  if (rollout.seed !== terms.seed) return 'wrong_seed'
  if (rollout.tokens.some(token => token >= terms.vocabSize)) return 'token_out_of_range'
  if (rollout.tokens.length > terms.maxTokens || rollout.logProbs.length !== rollout.tokens.length) return 'bad_length'
  return endsAsClaimed(rollout, terms) ? undefined : 'not_terminated'
}

/** An end token is the last one if there is any, and without one the length limit was reached. */
function endsAsClaimed({ tokens, finish }: Rollout, { eosTokenIds, maxTokens }: RolloutTerms): boolean {
  const firstEnd = tokens.findIndex(token => eosTokenIds.includes(token))
  return finish === 'stop' ? firstEnd === tokens.length - 1 : firstEnd === -1 && tokens.length === maxTokens
}
