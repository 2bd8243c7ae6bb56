/** What the API asks of whoever generates: which runs there are, and one sequence at a time. */
import type { DecoderConfig } from '#shared/model/config.ts'
import type { PolicyVersion, RunId } from '#shared/protocol/identifiers.ts'
import type { SequenceRequested } from '#shared/protocol/stage-messages.ts'
import { SEQUENCE_REFUSALS } from '#shared/serving/serving-state.ts'
import type { MissingLayers } from '#shared/scheduling/missing-layers.ts'

export interface ServedRun {
  readonly run: RunId
  /** All that are kept. At least one. */
  readonly versions: readonly PolicyVersion[]
  /** The newest that can be served now; when none can, the newest that is kept. */
  readonly newest: PolicyVersion
  readonly config: Pick<DecoderConfig, 'contextLength' | 'vocabSize' | 'bosTokenId' | 'eosTokenIds'>
  /** Text of the model's tokenizer.json; null: only token ids can be served. */
  readonly tokenizer: string | null
  /** When the run was opened here: Unix time in seconds. */
  readonly created: number
}

/** Prompt and answer fit in the run's context. */
export type SequenceToServe = Omit<SequenceRequested, 'drawn'> & { readonly run: RunId }

export const SERVING_REFUSALS = [
  ...SEQUENCE_REFUSALS,
  /** The run has ended, or the version is not kept any more. */
  'unknown_version',
  'shutting_down'
] as const

export interface ServingRefusal {
  readonly code: (typeof SERVING_REFUSALS)[number]
  /** Which layers, and why. */
  readonly missing: readonly MissingLayers[]
}

export interface SequenceListener {
  /** New ones, in order, with their log-probabilities (natural, temperature 1). */
  tokens(ids: readonly number[], logProbs: readonly number[]): void
  /** `stop`: the last token ends the sequence. Nothing follows. */
  finished(reason: 'stop' | 'length'): void
  /** Also in the middle of an answer. Nothing follows. */
  refused(refusal: ServingRefusal): void
}

export interface ServingPort {
  runs(): readonly ServedRun[]
  /**
   * The key must be unique among the sequences that are open. The listener may be told before `open` returns.
   * @returns a way to give the sequence up: what it held is free at once, and the listener hears nothing more
   */
  open(sequence: SequenceToServe, listener: SequenceListener): { close(): void }
}
