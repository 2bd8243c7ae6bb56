import * as ort from 'onnxruntime-node'
import { FINAL_NORM_PORT, gradientOf, HEAD_PORT } from '#shared/graph/training.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { EMBED_TENSOR, FINAL_NORM_TENSOR, headTensor } from '#shared/model/tensor-names.ts'
import { attentionFeeds } from './attention-feeds.ts'
import { BoundParameters, type Feeds } from './bound-parameters.ts'
import type { Gradients, LearnerBackend, LogitsReader, LogProbGradient, PolicyParameters, ScoredSequence, TokenSequence } from './learner-backend.ts'
import { forEachToken, packMicroBatches, predictions, type MicroBatch, type Predictions } from './micro-batch.ts'
import { createOrtSessions, type OrtSessions } from './ort-sessions.ts'

export interface OrtBackendOptions {
  /** Cores that one operator may use. */
  readonly threads?: number
  /** Tokens per micro-batch, padding included. Small enough that a layer's activations stay in the cache. */
  readonly rowBudget?: number
}

/** Cost of a row's matrix products per unit of hidden size, in units of attending to one key; measured. */
const ATTENTION_COST = 2.5

/** Logits that are held at once, in elements. */
const LOGITS_BUDGET = 4_194_304

/** The learner's model on onnxruntime-node's CPU provider: our own forward and backward graphs, weights as zero-copy inputs. */
export async function createOrtBackend(config: DecoderConfig, lora: LoraConfig | null, options: OrtBackendOptions = {}): Promise<LearnerBackend> {
  const { threads = 2, rowBudget = 1024 } = options
  return new OrtBackend(config, lora, rowBudget, await createOrtSessions(config, lora, threads))
}

class OrtBackend implements LearnerBackend {
  readonly lora: LoraConfig | null
  readonly #config: DecoderConfig
  readonly #rowBudget: number
  readonly #sessions: OrtSessions

  constructor(config: DecoderConfig, lora: LoraConfig | null, rowBudget: number, sessions: OrtSessions) {
    this.lora = lora
    this.#config = config
    this.#rowBudget = rowBudget
    this.#sessions = sessions
  }

  async score(parameters: PolicyParameters, sequences: readonly TokenSequence[], readLogits?: LogitsReader): Promise<ScoredSequence[]> {
    const bound = new BoundParameters(this.#config, this.lora, parameters)
    const scored: ScoredSequence[] = []
    for (const batch of this.#microBatches(sequences)) {
      const { last } = await this.#forward(bound, sequences, batch)
      const predicted = predictions(sequences, batch)
      const results = await this.#scoreRows(bound, last, predicted, readLogits)
      for (const [member, index] of predicted.members.entries()) scored[index] = results[member]!
    }
    return scored
  }

  async accumulate(
    parameters: PolicyParameters,
    sequences: readonly TokenSequence[],
    logProbGradient: LogProbGradient,
    gradients: Gradients
  ): Promise<void> {
    const bound = new BoundParameters(this.#config, this.lora, parameters)
    for (const batch of this.#microBatches(sequences)) {
      const { last, layerInputs, attention } = await this.#forward(bound, sequences, batch)
      const predicted = predictions(sequences, batch)
      const scored = await this.#scoreRows(bound, last, predicted)
      const coefficients = new Float32Array(predicted.rows.length)
      for (const [member, index] of predicted.members.entries()) {
        coefficients.set(logProbGradient(index, scored[member]!), predicted.offsets[member]!)
      }
      let gradient = await this.#backwardHead(bound, last, predicted, coefficients, gradients)
      for (let layer = this.#config.layers - 1; layer >= 0; layer--) {
        const outputs = await this.#sessions.layerBackward.run({
          ...attention,
          ...bound.layers[layer],
          hidden: layerInputs[layer]!,
          [gradientOf('output')]: gradient
        })
        gradient = outputs[gradientOf('hidden')]!
        for (const [port, name] of bound.trainable(layer)) addInto(gradients, name, outputs[gradientOf(port)]!)
      }
      if (this.lora === null) this.#scatterEmbedding(gradients, sequences, batch, gradient.data as Float32Array)
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(Object.values(this.#sessions as unknown as Record<string, ort.InferenceSession>).map(session => session.release()))
  }

  #microBatches(sequences: readonly TokenSequence[]): MicroBatch[] {
    for (const [index, { tokens }] of sequences.entries()) {
      // Beyond the context there are no angles for the rotary embedding, and onnxruntime would read past its table.
      if (tokens.length > this.#config.contextLength) throw new RangeError(`sequence ${index}: ${tokens.length} tokens in a context of ${this.#config.contextLength}`)
      for (let at = 0; at < tokens.length; at++) {
        if (!(tokens[at]! >= 0 && tokens[at]! < this.#config.vocabSize)) throw new RangeError(`sequence ${index}: token ${tokens[at]} in a vocabulary of ${this.#config.vocabSize}`)
      }
    }
    return packMicroBatches(sequences, this.#rowBudget, ATTENTION_COST * this.#config.hiddenSize)
  }

  /** Runs the layers; `layerInputs` are the checkpoints that the backward pass starts from. */
  async #forward(
    bound: BoundParameters,
    sequences: readonly TokenSequence[],
    batch: MicroBatch
  ): Promise<{ last: ort.Tensor; layerInputs: ort.Tensor[]; attention: Feeds }> {
    const attention = attentionFeeds(this.#config, sequences, batch)
    const layerInputs: ort.Tensor[] = []
    let hidden = this.#embed(bound.embedding, sequences, batch)
    for (const weights of bound.layers) {
      layerInputs.push(hidden)
      hidden = (await this.#sessions.layerForward.run({ ...attention, ...weights, hidden }))['output']!
    }
    return { last: hidden, layerInputs, attention }
  }

  #embed(embedding: Float32Array, sequences: readonly TokenSequence[], batch: MicroBatch): ort.Tensor {
    const width = this.#config.hiddenSize
    const rows = batch.packs.length * batch.length
    const hidden = new Float32Array(rows * width)
    forEachToken(sequences, batch, (token, row) => hidden.set(embedding.subarray(token * width, (token + 1) * width), row * width))
    return new ort.Tensor('float32', hidden, [rows, width])
  }

  #scatterEmbedding(gradients: Gradients, sequences: readonly TokenSequence[], batch: MicroBatch, hiddenGradient: Float32Array): void {
    const width = this.#config.hiddenSize
    const sum = gradients.get(EMBED_TENSOR)!
    forEachToken(sequences, batch, (token, row) => addRow(sum, token * width, hiddenGradient, row * width, width))
  }

  async #scoreRows(
    bound: BoundParameters,
    hidden: ort.Tensor,
    { members, offsets, rows, targets }: Predictions,
    readLogits?: LogitsReader
  ): Promise<ScoredSequence[]> {
    const { vocabSize } = this.#config
    const logProbs = new Float32Array(rows.length)
    const entropies = new Float32Array(rows.length)
    let member = 0
    for (const [from, to] of this.#chunks(rows.length)) {
      const feeds = { ...bound.head, ...this.#headRows(hidden, rows.subarray(from, to), targets.subarray(from, to)) }
      const wanted = readLogits === undefined ? ['log_probs', 'entropies'] : ['log_probs', 'entropies', 'logits']
      const outputs = await this.#sessions.headForward.run(feeds, wanted)
      logProbs.set(outputs['log_probs']!.data as Float32Array, from)
      entropies.set(outputs['entropies']!.data as Float32Array, from)
      if (readLogits === undefined) continue
      const logits = outputs['logits']!.data as Float32Array
      for (let at = from; at < to; at++) {
        while (at >= offsets[member + 1]!) member++
        readLogits(members[member]!, at - offsets[member]!, logits.subarray((at - from) * vocabSize, (at - from + 1) * vocabSize))
      }
    }
    return members.map((_, index) => ({
      logProbs: logProbs.subarray(offsets[index], offsets[index + 1]),
      entropies: entropies.subarray(offsets[index], offsets[index + 1])
    }))
  }

  /** @returns the gradient of the last layer's output, [rows, hidden] */
  async #backwardHead(
    bound: BoundParameters,
    hidden: ort.Tensor,
    { rows, targets }: Predictions,
    coefficients: Float32Array,
    gradients: Gradients
  ): Promise<ort.Tensor> {
    const width = this.#config.hiddenSize
    const hiddenGradient = new Float32Array(hidden.size)
    for (const [from, to] of this.#chunks(rows.length)) {
      const outputs = await this.#sessions.headBackward.run({
        ...bound.head,
        ...this.#headRows(hidden, rows.subarray(from, to), targets.subarray(from, to)),
        [gradientOf('log_probs')]: new ort.Tensor('float32', coefficients.subarray(from, to), [to - from, 1])
      })
      const chunk = outputs[gradientOf('hidden')]!.data as Float32Array
      for (let at = from; at < to; at++) addRow(hiddenGradient, rows[at]! * width, chunk, (at - from) * width, width)
      if (this.lora !== null) continue
      addInto(gradients, FINAL_NORM_TENSOR, outputs[gradientOf(FINAL_NORM_PORT)]!)
      addInto(gradients, headTensor(this.#config), outputs[gradientOf(HEAD_PORT)]!)
    }
    return new ort.Tensor('float32', hiddenGradient, hidden.dims)
  }

  #headRows(hidden: ort.Tensor, rows: Int32Array, targets: Int32Array): Feeds {
    const width = this.#config.hiddenSize
    const source = hidden.data as Float32Array
    const picked = new Float32Array(rows.length * width)
    for (let at = 0; at < rows.length; at++) picked.set(source.subarray(rows[at]! * width, (rows[at]! + 1) * width), at * width)
    return {
      hidden: new ort.Tensor('float32', picked, [rows.length, width]),
      targets: new ort.Tensor('int64', BigInt64Array.from(targets, BigInt), [rows.length, 1])
    }
  }

  *#chunks(count: number): Generator<readonly [number, number]> {
    const step = Math.max(1, Math.floor(LOGITS_BUDGET / this.#config.vocabSize))
    for (let from = 0; from < count; from += step) yield [from, Math.min(count, from + step)]
  }
}

function addInto(gradients: Gradients, name: string, gradient: ort.Tensor): void {
  const sum = gradients.get(name)
  if (sum === undefined) throw new Error(`the gradients have no tensor ${name}`)
  const data = gradient.data as Float32Array
  for (let at = 0; at < sum.length; at++) sum[at]! += data[at]!
}

function addRow(target: Float32Array, targetStart: number, source: Float32Array, sourceStart: number, width: number): void {
  for (let at = 0; at < width; at++) target[targetStart + at]! += source[sourceStart + at]!
}
