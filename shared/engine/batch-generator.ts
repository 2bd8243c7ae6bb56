/**
 * Continuous batching on an engine that hosts a whole model (Yu et al. 2022, "Orca", §3.2: iteration-level scheduling):
 * every step decodes one token for all live samples; samples enter and leave between steps. A prompt is prefilled once
 * for all samples that enter together.
 */
import { chooseToken } from './choose-token.ts'
import { SequenceRows } from './sequence-rows.ts'
import type { KvCache, SliceEngine } from './slice-engine.ts'

export interface SampleRequest {
  /** Unique among the samples in the generator. */
  readonly id: string
  /** Names the uniforms that draw this sample's tokens; left out, every token is the likeliest one. */
  readonly seed?: string
  /** The uniform of its first token: how many were used up before. */
  readonly position?: number
}

export interface PromptRequest {
  readonly prompt: Int32Array
  readonly samples: readonly SampleRequest[]
  /** Most tokens per sample; prompt and answer together fit in the model's context. */
  readonly maxTokens: number
}

export interface GeneratedSample {
  readonly id: string
  /** The completion, the end-of-sequence token included when one was drawn. */
  readonly tokens: readonly number[]
  /** Natural log-probability of each token at temperature 1. */
  readonly logProbs: readonly number[]
  readonly finish: 'stop' | 'length'
}

/** The uniform in [0, 1) that draws token `t` (from 0) of the sample with this seed. */
export type Uniform = (seed: string, t: number) => number

export interface BatchGeneratorOptions {
  readonly engine: SliceEngine
  readonly uniform: Uniform
  /** Most sequences decoded at once. */
  readonly maxRows: number
}

interface Sequence {
  readonly sample: SampleRequest
  readonly prompt: Int32Array
  readonly maxTokens: number
  readonly tokens: number[]
  readonly logProbs: number[]
}

interface Waiting {
  readonly request: PromptRequest
  /** How many of its samples have entered. */
  entered: number
}

export class BatchGenerator {
  readonly #engine: SliceEngine
  readonly #uniform: Uniform
  readonly #maxRows: number
  readonly #waiting: Waiting[] = []
  readonly #rows: SequenceRows<Sequence>
  #finished: GeneratedSample[] = []

  constructor(options: BatchGeneratorOptions) {
    if (!options.engine.slice.embed || !options.engine.slice.head) throw new TypeError('a batch generator needs an engine with the whole model')
    this.#engine = options.engine
    this.#uniform = options.uniform
    this.#maxRows = options.maxRows
    this.#rows = new SequenceRows(options.engine, options.maxRows)
  }

  get #live(): readonly Sequence[] {
    return this.#rows.order
  }

  /** Samples that have been submitted and are not finished. */
  get pending(): number {
    return this.#live.length + this.#waiting.reduce((total, { request, entered }) => total + request.samples.length - entered, 0)
  }

  /** Rows that another submission could use at once. */
  get freeRows(): number {
    return Math.max(0, this.#maxRows - this.pending)
  }

  submit(request: PromptRequest): void {
    const { prompt, samples, maxTokens } = request
    const { contextLength } = this.#engine.config
    if (prompt.length < 1 || samples.length < 1 || maxTokens < 1) throw new RangeError('a request needs a prompt, a sample and at least one token')
    if (prompt.length + maxTokens > contextLength) throw new RangeError(`${prompt.length} + ${maxTokens} tokens do not fit in a context of ${contextLength}`)
    this.#waiting.push({ request, entered: 0 })
  }

  /** Lets waiting samples enter, decodes one token for every live one, and @returns the samples that finished. */
  async step(): Promise<GeneratedSample[]> {
    await this.#enter()
    if (this.#live.length > 0) await this.#decode()
    if (this.#live.length === 0) this.#rows.clear()
    const finished = this.#finished
    this.#finished = []
    return finished
  }

  /** Forgets every sample: for a change of the policy version or the end of a lease. Not while a step runs. */
  clear(): void {
    this.#waiting.length = 0
    this.#rows.clear()
    this.#finished.length = 0
  }

  async #enter(): Promise<void> {
    const entering: { readonly request: PromptRequest; readonly samples: readonly SampleRequest[] }[] = []
    let free = this.#maxRows - this.#live.length
    while (free > 0 && this.#waiting.length > 0) {
      const next = this.#waiting[0]!
      const samples = next.request.samples.slice(next.entered, next.entered + free)
      next.entered += samples.length
      free -= samples.length
      entering.push({ request: next.request, samples })
      if (next.entered === next.request.samples.length) this.#waiting.shift()
    }
    if (entering.length === 0) return
    const { cache: prefilled, logits } = await this.#prefill(entering.map(({ request }) => request.prompt))
    const sequences = entering.map(({ request: { prompt, maxTokens }, samples }) =>
      samples.map((sample): Sequence => ({ sample, prompt, maxTokens, tokens: [], logProbs: [] }))
    )
    this.#cacheFor([...this.#live, ...sequences.flat()])
    for (const [row, group] of sequences.entries()) {
      for (const sequence of group) {
        if (!this.#draw(sequence, logits[row]!)) this.#rows.enter(sequence, prefilled, row)
      }
    }
    prefilled.release()
  }

  async #prefill(prompts: readonly Int32Array[]): Promise<{ readonly cache: KvCache; readonly logits: readonly Float32Array[] }> {
    const rows = prompts.length
    const steps = Math.max(...prompts.map(prompt => prompt.length))
    const tokens = new Int32Array(rows * steps)
    for (const [row, prompt] of prompts.entries()) tokens.set(prompt, row * steps)
    const lengths = Int32Array.from(prompts, prompt => prompt.length)
    const cache = this.#engine.createCache(rows, steps)
    const logits = await this.#logits({ tokens, rows, steps, lengths, logitRows: lengths.map((length, row) => row * steps + length - 1) }, cache)
    return { cache, logits }
  }

  async #decode(): Promise<void> {
    const rows = this.#live.length
    const lengths = Int32Array.from(this.#live, ({ prompt, tokens }) => prompt.length + tokens.length)
    const tokens = Int32Array.from(this.#live, sequence => sequence.tokens.at(-1)!)
    const cache = this.#cacheFor(this.#live)
    const logits = await this.#logits({ tokens, rows, steps: 1, lengths, logitRows: Int32Array.from({ length: rows }, (_, row) => row) }, cache)
    // From the last row down, so that the sequence that fills a hole has already been drawn.
    for (let row = rows - 1; row >= 0; row--) {
      if (this.#draw(this.#live[row]!, logits[row]!)) this.#rows.leave(row)
    }
  }

  async #logits(input: Parameters<SliceEngine['forward']>[0] & { readonly logitRows: Int32Array }, cache: KvCache): Promise<Float32Array[]> {
    const { logits } = await this.#engine.forward(input, cache)
    const { vocabSize } = this.#engine.config
    return Array.from(input.logitRows, (_, row) => logits!.subarray(row * vocabSize, (row + 1) * vocabSize))
  }

  /** Adds the next token. @returns whether it was the last, in which case the sample is reported */
  #draw(sequence: Sequence, logits: Float32Array): boolean {
    const { sample, tokens, logProbs, maxTokens } = sequence
    const next = chooseToken(logits, sample.seed === undefined ? undefined : this.#uniform(sample.seed, (sample.position ?? 0) + tokens.length))
    tokens.push(next.token)
    logProbs.push(next.logProb)
    const stopped = this.#engine.config.eosTokenIds.includes(next.token)
    if (!stopped && tokens.length < maxTokens) return false
    this.#finished.push({ id: sample.id, tokens, logProbs, finish: stopped ? 'stop' : 'length' })
    return true
  }

  #cacheFor(sequences: readonly Sequence[]): KvCache {
    return this.#rows.cache(Math.max(...sequences.map(sequence => this.#tokensToHold(sequence))))
  }

  #tokensToHold({ prompt, tokens, maxTokens }: Sequence): number {
    return prompt.length + (this.#engine.kind === 'wasm' ? Math.max(1, tokens.length) : maxTokens)
  }
}
