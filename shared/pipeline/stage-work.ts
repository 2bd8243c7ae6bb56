/**
 * What travels along a pipeline. A micro-batch is a set of sequences that go round together: the first stage embeds
 * their tokens, every stage passes hidden states on, the last draws a token for each and returns it to the first.
 * Works of one micro-batch arrive in the order in which they were sent.
 */

/** Names a pipeline among those of a signaling server: uint32, never used twice. */
export type PipelineId = number
/** Unique among the sequences of one pipeline's first stage. */
export type SequenceId = number
export type MicroBatchId = number

/** A sequence that enters a micro-batch with this prefill. */
export interface EnteringSequence {
  readonly id: SequenceId
  /** Row of the prefill that is its prompt: samples of one prompt share it. */
  readonly promptRow: number
  /** Most tokens that it will come to, prompt included. */
  readonly mostTokens: number
  /** Names the uniforms that draw its tokens; null: every token is the likeliest one. */
  readonly seed: string | null
  /** Tokens are drawn from softmax(logits / temperature); above 0. */
  readonly temperature: number
  /** The seed's random numbers that were used up before it came here: by the tokens that it had when a pipeline broke, and by earlier turns of its rollout. */
  readonly drawn: number
}

interface Round {
  readonly microBatch: MicroBatchId
  /** Counts the works of a micro-batch from 0, so that a lost one is noticed. */
  readonly step: number
  /** Policy version that every stage computes with. */
  readonly version: number
  /** Sequences that are done: they leave before anything is computed, each time the last one taking the free row. */
  readonly left: readonly SequenceId[]
}

export interface Prefill extends Round {
  readonly kind: 'prefill'
  readonly entering: readonly EnteringSequence[]
  /** Tokens of each prompt row. */
  readonly lengths: Int32Array
  /** The longest of them: rows are padded on the right. */
  readonly steps: number
}

export interface Decode extends Round {
  readonly kind: 'decode'
  /** One more token for each sequence of the micro-batch, in its order: so many. */
  readonly rows: number
}

/** Token ids [rows · steps] for the first stage, hidden states [rows · steps · hiddenSize] for the others. */
export interface StageInput {
  readonly tokens?: Int32Array
  readonly hidden?: Float32Array
}

export type StageWork = (Prefill | Decode) & StageInput

/** From the last stage to the first: for the sequences that entered (prefill), or for the rows that were decoded, in order. */
export interface DrawnTokens {
  readonly kind: 'drawn'
  readonly microBatch: MicroBatchId
  readonly step: number
  readonly version: number
  readonly tokens: Int32Array
  /** Natural log-probability of each token at temperature 1. */
  readonly logProbs: Float32Array
}

/** From the first stage along the pipeline: every stage may forget the micro-batch. */
export interface EndOfMicroBatch {
  readonly kind: 'end'
  readonly microBatch: MicroBatchId
}

/** A work between stages carries hidden states; token ids never leave the first stage. */
export type PassedWork = (Prefill | Decode) & { readonly hidden: Float32Array }

export type StageOutput = PassedWork | DrawnTokens
/** Everything that goes from one stage to the next, and from the last to the first. */
export type StageMessage = PassedWork | DrawnTokens | EndOfMicroBatch
