/**
 * One tab's part in pipelines: keeps the keys and values of the sequences that pass through its slice, and turns each
 * work into the next stage's, or, at the end, into tokens.
 */
import type { Uniform } from '../engine/batch-generator.ts'
import { chooseToken } from '../engine/choose-token.ts'
import { SequenceRows } from '../engine/sequence-rows.ts'
import type { KvCache, SliceEngine, SliceOutput } from '../engine/slice-engine.ts'
import type { PolicyVersion } from '../protocol/identifiers.ts'
import type { Decode, DrawnTokens, EnteringSequence, MicroBatchId, Prefill, StageInput, StageOutput, StageWork } from './stage-work.ts'

export interface StageOptions {
  readonly engine: SliceEngine
  readonly uniform: Uniform
  /** Most sequences in one micro-batch. */
  readonly maxRows: number
  /** Called before each work: the engine shall compute with this version. @throws StageFault when the version is not here */
  readonly useVersion: (version: PolicyVersion) => Promise<void>
}

interface StageSequence extends EnteringSequence {
  /** Tokens in the cache. */
  length: number
  /** Tokens drawn so far; only the last stage uses it. */
  drawn: number
}

interface MicroBatch {
  readonly version: PolicyVersion
  readonly rows: SequenceRows<StageSequence>
  step: number
}

/** What is wrong with a work that arrived: the pipeline is broken, and its first stage replays elsewhere. */
export class StageFault extends Error {}

export class Stage {
  readonly #options: StageOptions
  readonly #batches = new Map<MicroBatchId, MicroBatch>()

  constructor(options: StageOptions) {
    this.#options = options
  }

  /** Sequences whose keys and values are here. */
  get sequences(): number {
    let total = 0
    for (const { rows } of this.#batches.values()) total += rows.order.length
    return total
  }

  /** Of the micro-batches that are here. */
  get versions(): ReadonlySet<PolicyVersion> {
    return new Set([...this.#batches.values()].map(({ version }) => version))
  }

  /**
   * Computes one work; one call at a time.
   * @throws StageFault when the work does not follow from those before it or does not fit
   */
  async run(work: StageWork): Promise<StageOutput> {
    const batch = this.#batchOf(work)
    if (work.step !== batch.step) throw new StageFault(`micro-batch ${work.microBatch}: work ${work.step} where ${batch.step} was due`)
    await this.#options.useVersion(work.version)
    batch.step++
    for (const id of work.left) leave(batch.rows, id)
    return work.kind === 'prefill' ? this.#prefill(batch, work) : this.#decode(batch, work)
  }

  /** The micro-batch is over, or its pipeline is. */
  end(microBatch: MicroBatchId): void {
    this.#batches.get(microBatch)?.rows.clear()
    this.#batches.delete(microBatch)
  }

  /** Forgets every sequence. */
  clear(): void {
    for (const id of this.#batches.keys()) this.end(id)
  }

  #batchOf({ microBatch, step, version }: StageWork): MicroBatch {
    const known = this.#batches.get(microBatch)
    if (known !== undefined && known.version !== version) throw new StageFault(`micro-batch ${microBatch} of version ${known.version} at version ${version}`)
    if (known !== undefined) return known
    if (step !== 0) throw new StageFault(`micro-batch ${microBatch} is unknown here`)
    const batch = { version, rows: new SequenceRows<StageSequence>(this.#options.engine, this.#options.maxRows), step: 0 }
    this.#batches.set(microBatch, batch)
    return batch
  }

  async #prefill({ rows }: MicroBatch, work: Prefill & StageInput): Promise<StageOutput> {
    const { entering, lengths, steps } = work
    const { engine, maxRows } = this.#options
    if (rows.order.length + entering.length > maxRows) throw new StageFault(`${rows.order.length} + ${entering.length} sequences where ${maxRows} fit`)
    if (entering.some(({ promptRow }) => promptRow >= lengths.length)) throw new StageFault('a sequence enters from a prompt that is not there')
    if (entering.some(({ mostTokens }) => mostTokens > engine.config.contextLength)) throw new StageFault(`a sequence exceeds the context of ${engine.config.contextLength} tokens`)
    const prefilled = engine.createCache(lengths.length, steps)
    try {
      const lastSteps = lengths.map((length, row) => row * steps + length - 1)
      const output = await this.#forward(work, { rows: lengths.length, steps, lengths, logitRows: lastSteps }, prefilled)
      const sequences = entering.map((sequence): StageSequence => ({ ...sequence, length: lengths[sequence.promptRow]! }))
      rows.cache(Math.max(...[...rows.order, ...sequences].map(sequence => this.#tokensToHold(sequence, 0))))
      for (const sequence of sequences) rows.enter(sequence, prefilled, sequence.promptRow)
      return this.#pass(work, output, sequences, sequences.map(({ promptRow }) => promptRow))
    } finally {
      prefilled.release()
    }
  }

  async #decode({ rows }: MicroBatch, work: Decode & StageInput): Promise<StageOutput> {
    // Fewer would be forgotten: engines that return a copy of their cache return the rows that they were asked for.
    if (work.rows < 1 || work.rows !== rows.order.length) throw new StageFault(`${work.rows} rows to decode where ${rows.order.length} are`)
    const sequences = [...rows.order]
    if (sequences.some(({ length, mostTokens }) => length >= mostTokens)) throw new StageFault('a sequence goes on beyond its last token')
    const cache = rows.cache(Math.max(...rows.order.map(sequence => this.#tokensToHold(sequence, 1))))
    for (const sequence of sequences) sequence.length++
    const each = Int32Array.from(sequences.keys())
    const output = await this.#forward(work, { rows: work.rows, steps: 1, lengths: Int32Array.from(sequences, ({ length }) => length), logitRows: each }, cache)
    return this.#pass(work, output, sequences, [...each])
  }

  #forward(
    { tokens, hidden }: StageInput,
    call: { readonly rows: number; readonly steps: number; readonly lengths: Int32Array; readonly logitRows: Int32Array },
    cache: KvCache
  ): Promise<SliceOutput> {
    const { engine } = this.#options
    const elements = call.rows * call.steps
    const fits = engine.slice.embed ? tokens?.length === elements : hidden?.length === elements * engine.config.hiddenSize
    if (!fits) throw new StageFault(`${tokens?.length ?? hidden?.length ?? 'no'} elements do not make ${call.rows} rows of ${call.steps}`)
    return engine.forward({ ...call, ...(tokens !== undefined && { tokens }), ...(hidden !== undefined && { hidden }) }, cache)
  }

  /** @param logitRows the output's row for each of the sequences */
  #pass(work: StageWork, output: SliceOutput, sequences: readonly StageSequence[], logitRows: readonly number[]): StageOutput {
    const { tokens: _, hidden: __, ...round } = work
    if (output.logits === undefined) return { ...round, hidden: output.hidden! }
    const { vocabSize } = this.#options.engine.config
    const drawn: DrawnTokens = {
      kind: 'drawn',
      microBatch: work.microBatch,
      step: work.step,
      version: work.version,
      tokens: new Int32Array(sequences.length),
      logProbs: new Float32Array(sequences.length)
    }
    for (const [index, sequence] of sequences.entries()) {
      const row = logitRows[index]!
      const u = sequence.seed === null ? undefined : this.#options.uniform(sequence.seed, sequence.drawn)
      const { token, logProb } = chooseToken(output.logits.subarray(row * vocabSize, (row + 1) * vocabSize), u, sequence.temperature)
      sequence.drawn++
      drawn.tokens[index] = token
      drawn.logProbs[index] = logProb
    }
    return drawn
  }

  #tokensToHold({ length, mostTokens }: StageSequence, more: number): number {
    return this.#options.engine.kind === 'wasm' ? length + more : mostTokens
  }
}

function leave(rows: SequenceRows<StageSequence>, id: number): void {
  const row = rows.order.findIndex(sequence => sequence.id === id)
  if (row < 0) throw new StageFault(`sequence ${id} leaves and was never here`)
  rows.leave(row)
}
