/**
 * Builds ONNX graphs from typed operations. Every operation knows the shape of its result, so mistakes surface while
 * building, and the list of steps is what `autodiff.ts` walks backwards.
 */
import { encodeOnnx, type Attribute, type Dimension, type ElementType, type OnnxInitializer, type OnnxNode, type OnnxPort } from './onnx-writer.ts'

/** The result of a step: a name in the graph, with the shape that the builder derived. */
export interface Value {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly Dimension[]
}

/** One node as autodiff sees it: values instead of names. */
export interface Step {
  readonly op: string
  readonly inputs: readonly Value[]
  readonly output: Value
  /** The node's attributes, and the constants that the node takes as inputs (axes of a reduction, bounds of a slice). */
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface GemmOptions {
  readonly transA?: boolean
  readonly transB?: boolean
  readonly alpha?: number
  /** Added to the product (beta = 1). */
  readonly add?: Value
}

export class GraphBuilder {
  readonly #name: string
  readonly #inputs: OnnxPort[] = []
  readonly #outputs: OnnxPort[] = []
  readonly #initializers: OnnxInitializer[] = []
  readonly #nodes: OnnxNode[] = []
  readonly #constants = new Map<string, Value>()
  readonly steps: Step[] = []
  #counter = 0

  constructor(name: string) {
    this.#name = name
  }

  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    const value = { name, type, shape }
    this.#inputs.push(value)
    return value
  }

  /** Declares `value` as the output `name`. */
  output(name: string, value: Value): void {
    const outputs = [name]
    this.#nodes.push({ op: 'Identity', domain: '', inputs: [value.name], outputs, attributes: {} })
    this.#outputs.push({ name, type: value.type, shape: value.shape })
  }

  /** Declares a result that `node` was given a name for as an output under that name, without a copy. */
  expose(value: Value): void {
    this.#outputs.push(value)
  }

  initializer(name: string, shape: readonly number[], data: Float32Array | BigInt64Array | Int32Array): Value {
    const type: ElementType = data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'int64'
    this.#initializers.push({ name, type, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) })
    return { name, type, shape }
  }

  scalar(value: number): Value {
    return this.#constant(`f:${value}`, () => this.initializer(`scalar_${this.#constants.size}`, [], Float32Array.of(value)))
  }

  int64s(values: readonly number[]): Value {
    return this.#constant(`i:${values.join(',')}`, () =>
      this.initializer(`ints_${this.#constants.size}`, [values.length], BigInt64Array.from(values, BigInt))
    )
  }

  #constant(key: string, make: () => Value): Value {
    const known = this.#constants.get(key)
    if (known !== undefined) return known
    const made = make()
    this.#constants.set(key, made)
    return made
  }

  /** Adds any operator; the typed methods below are the usual way in. `''` in `inputs` leaves an optional input out. */
  node(
    op: string,
    inputs: readonly (Value | '')[],
    results: readonly { readonly type: ElementType; readonly shape: readonly Dimension[]; readonly name?: string }[],
    attributes: Readonly<Record<string, Attribute>> = {},
    domain: '' | 'com.microsoft' = ''
  ): Value[] {
    const values = results.map(result => ({
      name: result.name ?? `v${this.#counter++}`,
      type: result.type,
      shape: result.shape
    }))
    this.#nodes.push({
      op,
      domain,
      inputs: inputs.map(input => (input === '' ? '' : input.name)),
      outputs: values.map(value => value.name),
      attributes
    })
    return values
  }

  #step(
    op: string,
    inputs: readonly Value[],
    shape: readonly Dimension[],
    attributes: Readonly<Record<string, Attribute>> = {},
    constants: Readonly<Record<string, Attribute>> = {}
  ): Value {
    const [output] = this.node(op, inputs, [{ type: inputs[0]!.type, shape }], attributes) as [Value]
    this.steps.push({ op, inputs, output, attributes: { ...attributes, ...constants } })
    return output
  }

  add(a: Value, b: Value): Value {
    return this.#step('Add', [a, b], broadcast(a.shape, b.shape))
  }

  sub(a: Value, b: Value): Value {
    return this.#step('Sub', [a, b], broadcast(a.shape, b.shape))
  }

  mul(a: Value, b: Value): Value {
    return this.#step('Mul', [a, b], broadcast(a.shape, b.shape))
  }

  div(a: Value, b: Value): Value {
    return this.#step('Div', [a, b], broadcast(a.shape, b.shape))
  }

  neg(a: Value): Value {
    return this.#step('Neg', [a], a.shape)
  }

  sqrt(a: Value): Value {
    return this.#step('Sqrt', [a], a.shape)
  }

  exp(a: Value): Value {
    return this.#step('Exp', [a], a.shape)
  }

  log(a: Value): Value {
    return this.#step('Log', [a], a.shape)
  }

  sigmoid(a: Value): Value {
    return this.#step('Sigmoid', [a], a.shape)
  }

  /** Over the last axis. */
  softmax(a: Value): Value {
    return this.#step('Softmax', [a], a.shape, { axis: -1 })
  }

  /** Over the last axis, kept as size 1. */
  meanLast(a: Value): Value {
    return this.#reduce('ReduceMean', a, [a.shape.length - 1], true)
  }

  /** @param axes non-negative axes to sum over */
  sum(a: Value, axes: readonly number[], keep: boolean): Value {
    return this.#reduce('ReduceSum', a, axes, keep)
  }

  #reduce(op: string, a: Value, axes: readonly number[], keep: boolean): Value {
    const shape = keep ? a.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)) : a.shape.filter((_, axis) => !axes.includes(axis))
    return this.#step(op, [a, this.int64s(axes)], shape, { keepdims: keep ? 1 : 0 }, { axes })
  }

  /** Batched product of the last two axes, leading axes broadcast. */
  matmul(a: Value, b: Value): Value {
    const lead = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2))
    if (a.shape.at(-1) !== b.shape.at(-2)) throw new GraphError(`matmul: inner sizes differ, [${a.shape}] × [${b.shape}]`)
    return this.#step('MatMul', [a, b], [...lead, a.shape.at(-2)!, b.shape.at(-1)!])
  }

  /** 2-D product: alpha · op(a) · op(b) + add. With `transB`, `b` is a weight in Hugging Face layout [out, in]. */
  gemm(a: Value, b: Value, options: GemmOptions = {}): Value {
    const { transA = false, transB = false, alpha = 1, add } = options
    const [rows, innerA] = transA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!]
    const [innerB, columns] = transB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!]
    if (innerA !== innerB) throw new GraphError(`gemm: inner sizes differ, ${a.name} [${a.shape}] and ${b.name} [${b.shape}]`)
    const attributes = { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } }
    return this.#step('Gemm', add === undefined ? [a, b] : [a, b, add], [rows, columns], attributes)
  }

  transpose(a: Value, permutation: readonly number[]): Value {
    return this.#step('Transpose', [a], permutation.map(axis => a.shape[axis]!), { perm: permutation })
  }

  /**
   * @param shape the result's shape; at most one of its dimensions may be a name, which becomes -1 in the graph.
   * With two named dimensions pass `sizes`, an int64 graph value that holds the shape.
   */
  reshape(a: Value, shape: readonly Dimension[], sizes?: Value): Value {
    const target = sizes ?? this.int64s(shape.map(size => (typeof size === 'number' ? size : -1)))
    if (sizes === undefined && shape.filter(size => typeof size === 'string').length > 1) {
      throw new GraphError(`reshape to [${shape}]: two named dimensions need explicit sizes`)
    }
    return this.#step('Reshape', [a, target], shape)
  }

  /** Elements [from, to) of one axis; `to` may be past the end. */
  slice(a: Value, axis: number, from: number, to: number): Value {
    const shape = a.shape.map((size, index) => (index === axis ? to - from : size))
    return this.#step('Slice', [a, this.int64s([from]), this.int64s([to]), this.int64s([axis])], shape, {}, { axis, from, to })
  }

  /** Zeros around `a`: `before[axis]` in front and `after[axis]` behind. */
  pad(a: Value, before: readonly number[], after: readonly number[]): Value {
    const shape = a.shape.map((size, axis) => {
      const extra = before[axis]! + after[axis]!
      if (extra === 0) return size
      if (typeof size !== 'number') throw new GraphError('pad: the padded axis needs a fixed size')
      return size + extra
    })
    return this.#step('Pad', [a, this.int64s([...before, ...after])], shape)
  }

  concat(parts: readonly Value[], axis: number): Value {
    let total = 0
    for (const part of parts) {
      const size = part.shape[axis]
      if (typeof size !== 'number') throw new GraphError('concat: the joined axis needs a fixed size')
      total += size
    }
    return this.#step('Concat', parts, parts[0]!.shape.map((size, index) => (index === axis ? total : size)), { axis })
  }

  /**
   * Turns pairs (j, j + head_dim / 2) of every head by the angle of their position (Su et al. 2021, RoFormer, §3.2.2).
   * @param a [sequences, length, heads · head_dim]
   * @param positions int64 [sequences, length], rows of the tables
   * @param cos [positions, head_dim / 2]
   */
  rotaryEmbedding(a: Value, positions: Value, cos: Value, sin: Value): Value {
    const inputs = [a, positions, cos, sin]
    const [output] = this.node('RotaryEmbedding', inputs, [{ type: a.type, shape: a.shape }], {}, 'com.microsoft') as [Value]
    this.steps.push({ op: 'RotaryEmbedding', inputs, output, attributes: {} })
    return output
  }

  /** Rows of `table` (axis 0) by an integer tensor. */
  gather(table: Value, indices: Value): Value {
    return this.#step('Gather', [table, indices], [...indices.shape, ...table.shape.slice(1)], { axis: 0 })
  }

  /** @returns an ONNX model, ready for any onnxruntime */
  build(): Uint8Array<ArrayBuffer> {
    return encodeOnnx({
      name: this.#name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      initializers: this.#initializers,
      nodes: this.#nodes
    })
  }
}

/** A graph that cannot be: sizes that do not fit. Always our bug, never bad input. */
export class GraphError extends Error {
  override readonly name = 'GraphError'
}

function broadcast(a: readonly Dimension[], b: readonly Dimension[]): Dimension[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, index) => {
    const left = a[index - (rank - a.length)] ?? 1
    const right = b[index - (rank - b.length)] ?? 1
    if (left === right || right === 1) return left
    if (left === 1) return right
    throw new GraphError(`shapes [${a}] and [${b}] do not broadcast`)
  })
}
