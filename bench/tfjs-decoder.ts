/**
 * The yardstick of the learner benchmark: the same decoder, loss and update written for TensorFlow.js as its users would.
 * Weights are [in, out], so the forward pass needs no transposition.
 */
import * as tf from '@tensorflow/tfjs'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export interface DecoderShape {
  readonly vocabulary: number
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headSize: number
  readonly intermediate: number
}

export interface TokenRectangle {
  readonly sequences: number
  readonly steps: number
  /** [sequences × steps], row-major. */
  readonly tokens: Int32Array
}

export async function useTfjsWasm(): Promise<void> {
  const require = createRequire(import.meta.url)
  setWasmPaths(`${join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out')}/`)
  // Node has no Worker of the kind that the threaded build asks for.
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false)
  if (!(await tf.setBackend('wasm'))) throw new Error('tfjs: the WASM backend did not start')
  await tf.ready()
}

/**
 * tfjs-wasm is 20 to 40 times slower at products of transposed operands, which is what the automatic gradient of matMul
 * consists of. This one transposes first, as a user who has profiled would write it.
 */
const product = tf.customGrad((a, b, save) => {
  const left = a as tf.Tensor
  const right = b as tf.Tensor
  ;(save as tf.GradSaveFunc)([left, right])
  return {
    value: tf.matMul(left, right),
    gradFunc: (upstream: tf.Tensor, saved: tf.Tensor[]) => [
      tf.matMul(upstream, transposed(saved[1]!)),
      tf.matMul(transposed(saved[0]!), upstream)
    ]
  }
}) as unknown as (a: tf.Tensor, b: tf.Tensor) => tf.Tensor

function transposed(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis)
  return tf.transpose(x, [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!])
}

function rmsNorm(x: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-6))), weight)
}

function rotate(x: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor): tf.Tensor {
  const half = x.shape.at(-1)! / 2
  const [first, second] = tf.split(x, [half, half], -1) as [tf.Tensor, tf.Tensor]
  return tf.add(tf.mul(x, cos), tf.mul(tf.concat([tf.neg(second), first], -1), sin))
}

function rotaryTables(steps: number, headSize: number): { cos: tf.Tensor; sin: tf.Tensor } {
  const half = headSize / 2
  const angles = Array.from({ length: steps }, (_, position) =>
    Array.from({ length: headSize }, (_, index) => position * 10_000 ** (-(index % half) / half))
  )
  return { cos: tf.tensor2d(angles.map(row => row.map(Math.cos))), sin: tf.tensor2d(angles.map(row => row.map(Math.sin))) }
}

type MatrixProduct = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor

interface LayerWeights {
  readonly inputNorm: tf.Variable
  readonly postNorm: tf.Variable
  readonly queryNorm: tf.Variable
  readonly keyNorm: tf.Variable
  readonly query: tf.Variable
  readonly key: tf.Variable
  readonly value: tf.Variable
  readonly output: tf.Variable
  readonly gate: tf.Variable
  readonly up: tf.Variable
  readonly down: tf.Variable
}

/** A decoder whose every parameter is trained: forward, backward and Adam on one rectangle of tokens per `step`. */
export class TfjsLearner {
  readonly #shape: DecoderShape
  readonly #embedding: tf.Variable
  readonly #finalNorm: tf.Variable
  readonly #layers: readonly LayerWeights[]
  readonly #optimizer = tf.train.adam(1e-4, 0.9, 0.99)
  readonly #product: MatrixProduct

  constructor(shape: DecoderShape, options: { readonly explicitTransposes: boolean }) {
    const matrix = (rows: number, columns: number): tf.Variable => tf.variable(tf.randomNormal([rows, columns], 0, 0.05, 'float32', 1))
    const ones = (size: number): tf.Variable => tf.variable(tf.ones([size]))
    this.#shape = shape
    this.#product = options.explicitTransposes ? product : (a, b) => tf.matMul(a, b)
    this.#embedding = matrix(shape.vocabulary, shape.hidden)
    this.#finalNorm = ones(shape.hidden)
    this.#layers = Array.from({ length: shape.layers }, () => ({
      inputNorm: ones(shape.hidden),
      postNorm: ones(shape.hidden),
      queryNorm: ones(shape.headSize),
      keyNorm: ones(shape.headSize),
      query: matrix(shape.hidden, shape.heads * shape.headSize),
      key: matrix(shape.hidden, shape.kvHeads * shape.headSize),
      value: matrix(shape.hidden, shape.kvHeads * shape.headSize),
      output: matrix(shape.heads * shape.headSize, shape.hidden),
      gate: matrix(shape.hidden, shape.intermediate),
      up: matrix(shape.hidden, shape.intermediate),
      down: matrix(shape.intermediate, shape.hidden)
    }))
  }

  #attention(x: tf.Tensor, layer: LayerWeights, batch: TokenRectangle, tables: { cos: tf.Tensor; sin: tf.Tensor; mask: tf.Tensor }): tf.Tensor {
    const { heads, kvHeads, headSize } = this.#shape
    const { sequences, steps } = batch
    const repeats = heads / kvHeads
    const split = (flat: tf.Tensor, count: number): tf.Tensor => tf.transpose(tf.reshape(flat, [sequences, steps, count, headSize]), [0, 2, 1, 3])
    const query = rotate(rmsNorm(split(this.#product(x, layer.query), heads), layer.queryNorm), tables.cos, tables.sin)
    const key = rotate(rmsNorm(split(this.#product(x, layer.key), kvHeads), layer.keyNorm), tables.cos, tables.sin)
    const value = split(this.#product(x, layer.value), kvHeads)
    const repeated = (heads4: tf.Tensor): tf.Tensor =>
      tf.reshape(tf.concat(Array.from({ length: repeats }, () => tf.expandDims(heads4, 2)), 2), [sequences * heads, steps, headSize])
    const products = this.#product(tf.reshape(query, [sequences * heads, steps, headSize]), transposed(repeated(key)))
    const scores = tf.add(tf.mul(products, 1 / Math.sqrt(headSize)), tables.mask)
    const mixed = this.#product(tf.softmax(scores), repeated(value))
    const joined = tf.reshape(tf.transpose(tf.reshape(mixed, [sequences, heads, steps, headSize]), [0, 2, 1, 3]), [sequences * steps, heads * headSize])
    return this.#product(joined, layer.output)
  }

  #loss(batch: TokenRectangle): tf.Scalar {
    const { sequences, steps } = batch
    const tables = {
      ...rotaryTables(steps, this.#shape.headSize),
      mask: tf.tensor2d(Array.from({ length: steps }, (_, row) => Array.from({ length: steps }, (_, column) => (column > row ? -1e9 : 0))))
    }
    // The gradient of gather needs a kernel that the WASM backend lacks, so embedding is a product with one-hot rows.
    const oneHot = tf.cast(tf.oneHot(tf.tensor1d(batch.tokens, 'int32'), this.#shape.vocabulary), 'float32')
    let x = this.#product(oneHot, this.#embedding)
    for (const layer of this.#layers) {
      x = tf.add(x, this.#attention(rmsNorm(x, layer.inputNorm), layer, batch, tables))
      const normed = rmsNorm(x, layer.postNorm)
      const gate = this.#product(normed, layer.gate)
      x = tf.add(x, this.#product(tf.mul(tf.mul(gate, tf.sigmoid(gate)), this.#product(normed, layer.up)), layer.down))
    }
    const logits = this.#product(rmsNorm(x, this.#finalNorm), transposed(this.#embedding))
    const cube = [sequences, steps, this.#shape.vocabulary]
    const size = [sequences, steps - 1, this.#shape.vocabulary]
    const predicted = tf.slice(tf.reshape(tf.logSoftmax(logits), cube), [0, 0, 0], size)
    const wanted = tf.slice(tf.reshape(oneHot, cube), [0, 1, 0], size)
    return tf.div(tf.sum(tf.mul(predicted, wanted)), -sequences * (steps - 1))
  }

  /** @returns the loss before the update */
  step(batch: TokenRectangle): number {
    return tf.tidy(() => this.#optimizer.minimize(() => this.#loss(batch), true)!.dataSync()[0]!)
  }

  dispose(): void {
    this.#optimizer.dispose()
    for (const variable of [this.#embedding, this.#finalNorm, ...this.#layers.flatMap(layer => Object.values(layer) as tf.Variable[])]) variable.dispose()
  }
}
