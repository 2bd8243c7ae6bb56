/**
 * Reverse-mode automatic differentiation over the steps of a `GraphBuilder` (Griewank & Walther, Evaluating Derivatives,
 * ch. 3): the adjoint of every step is appended to the same graph.
 */
import { GraphError, type GraphBuilder, type Step, type Value } from './graph-builder.ts'
import type { Dimension } from './onnx-writer.ts'

/** The upstream gradient of a value: where differentiation starts. */
export interface Seed {
  readonly value: Value
  /** Same shape as `value`. */
  readonly gradient: Value
}

/** Gradient of one input of a step, from the gradient of its output; may be narrower than the input where it is constant along an axis. */
type Adjoint = (graph: GraphBuilder, step: Step, gradient: Value, input: number) => Value

interface GemmAttributes {
  readonly transA: number
  readonly transB: number
  readonly alpha: { readonly float: number }
}

/**
 * Appends the gradients of Σ ⟨seed.value, seed.gradient⟩ with respect to `wanted`. Only steps between `wanted` and the seeds are
 * differentiated: the gradient of a frozen weight costs nothing.
 *
 * @returns one value per entry of `wanted`, each of its shape
 * @throws GraphError when a wanted value does not reach a seed, or when the path crosses an operator without a rule
 */
export function differentiate(graph: GraphBuilder, seeds: readonly Seed[], wanted: readonly Value[]): Value[] {
  const steps = [...graph.steps]
  const dependent = new Set(wanted.map(value => value.name))
  for (const step of steps) {
    if (step.inputs.some(input => dependent.has(input.name))) dependent.add(step.output.name)
  }
  const gradients = new Map<string, Value>()
  const accumulate = (value: Value, gradient: Value): void => {
    const known = gradients.get(value.name)
    gradients.set(value.name, known === undefined ? gradient : graph.add(known, gradient))
  }
  for (const seed of seeds) accumulate(seed.value, seed.gradient)
  for (const step of steps.toReversed()) {
    const gradient = gradients.get(step.output.name)
    if (gradient === undefined || !dependent.has(step.output.name)) continue
    const adjoint = ADJOINTS[step.op]
    for (const [index, input] of step.inputs.entries()) {
      if (!dependent.has(input.name)) continue
      if (adjoint === undefined) throw new GraphError(`no gradient rule for ${step.op}`)
      accumulate(input, adjoint(graph, step, gradient, index))
    }
  }
  return wanted.map(value => {
    const gradient = gradients.get(value.name)
    if (gradient === undefined) throw new GraphError(`${value.name} does not reach any seed`)
    return widen(graph, gradient, value)
  })
}

const ADJOINTS: Readonly<Record<string, Adjoint>> = {
  Add: (graph, step, gradient, input) => narrow(graph, gradient, step.inputs[input]!, step.output),
  Sub: (graph, step, gradient, input) =>
    narrow(graph, input === 0 ? gradient : graph.neg(gradient), step.inputs[input]!, step.output),
  Mul: (graph, step, gradient, input) =>
    narrow(graph, graph.mul(gradient, step.inputs[1 - input]!), step.inputs[input]!, step.output),
  Div: (graph, step, gradient, input) => {
    const quotient = graph.div(gradient, step.inputs[1]!)
    if (input === 0) return narrow(graph, quotient, step.inputs[0]!, step.output)
    return narrow(graph, graph.neg(graph.mul(quotient, step.output)), step.inputs[1]!, step.output)
  },
  Neg: (graph, _step, gradient) => graph.neg(gradient),
  Sqrt: (graph, step, gradient) => graph.div(graph.mul(gradient, graph.scalar(0.5)), step.output),
  Exp: (graph, step, gradient) => graph.mul(gradient, step.output),
  Log: (graph, step, gradient) => graph.div(gradient, step.inputs[0]!),
  Sigmoid: (graph, step, gradient) => graph.mul(gradient, graph.mul(step.output, graph.sub(graph.scalar(1), step.output))),
  Softmax: (graph, step, gradient) => {
    const weighted = graph.mul(gradient, step.output)
    return graph.sub(weighted, graph.mul(step.output, graph.sum(weighted, [weighted.shape.length - 1], true)))
  },
  ReduceSum: (graph, step, gradient) => restoreAxes(graph, step, gradient),
  ReduceMean: (graph, step, gradient) => {
    const count = (step.attributes['axes'] as number[]).reduce((product, axis) => product * fixed(step.inputs[0]!.shape[axis]), 1)
    return restoreAxes(graph, step, graph.mul(gradient, graph.scalar(1 / count)))
  },
  MatMul: (graph, step, narrowGradient, input) => {
    const gradient = widen(graph, narrowGradient, step.output)
    const [a, b] = step.inputs as [Value, Value]
    const product = input === 0 ? graph.matmul(gradient, swapLast(graph, b)) : graph.matmul(swapLast(graph, a), gradient)
    return narrow(graph, product, step.inputs[input]!, product)
  },
  Gemm: (graph, step, narrowGradient, input) => {
    const gradient = widen(graph, narrowGradient, step.output)
    if (input === 2) return narrow(graph, gradient, step.inputs[2]!, step.output)
    const [a, b] = step.inputs as [Value, Value]
    const attributes = step.attributes as unknown as GemmAttributes
    const transA = attributes.transA === 1
    const transB = attributes.transB === 1
    const alpha = attributes.alpha.float
    if (input === 0) {
      return transA ? graph.gemm(b, gradient, { transA: transB, transB: true, alpha }) : graph.gemm(gradient, b, { transB: !transB, alpha })
    }
    return transB ? graph.gemm(gradient, a, { transA: true, transB: transA, alpha }) : graph.gemm(a, gradient, { transA: !transA, alpha })
  },
  // A rotation's transpose is the rotation back.
  RotaryEmbedding: (graph, step, gradient) => {
    const [, positions, cos, sin] = step.inputs as [Value, Value, Value, Value]
    return graph.rotaryEmbedding(widen(graph, gradient, step.output), positions, cos, graph.neg(sin))
  },
  Transpose: (graph, step, gradient) => {
    const permutation = step.attributes['perm'] as readonly number[]
    return graph.transpose(
      widen(graph, gradient, step.output),
      permutation.map((_, axis) => permutation.indexOf(axis))
    )
  },
  Reshape: (graph, step, gradient) => {
    const [input] = step.inputs as [Value]
    const named = input.shape.filter(size => typeof size === 'string').length
    return graph.reshape(widen(graph, gradient, step.output), input.shape, named > 1 ? sizes(graph, input) : undefined)
  },
  Slice: (graph, step, gradient) => {
    const [input] = step.inputs as [Value]
    const { axis, from, to } = step.attributes as { readonly axis: number; readonly from: number; readonly to: number }
    const before = input.shape.map((_, index) => (index === axis ? from : 0))
    const after = input.shape.map((size, index) => (index === axis ? fixed(size) - to : 0))
    return graph.pad(widen(graph, gradient, step.output), before, after)
  },
  Concat: (graph, step, gradient, input) => {
    const axis = step.attributes['axis'] as number
    const from = step.inputs.slice(0, input).reduce((total, part) => total + fixed(part.shape[axis]), 0)
    return graph.slice(widen(graph, gradient, step.output), axis, from, from + fixed(step.inputs[input]!.shape[axis]))
  }
}

/** Sums `gradient`, a gradient of `output`'s shape or narrower, over the axes along which `input` was broadcast to `output`. */
function narrow(graph: GraphBuilder, gradient: Value, input: Value, output: Value): Value {
  if (sameShape(input.shape, output.shape)) return gradient
  const full = widen(graph, gradient, output)
  const lead = output.shape.length - input.shape.length
  const stretched = input.shape.flatMap((size, axis) => (size === 1 && output.shape[axis + lead] !== 1 ? [axis + lead] : []))
  const kept = stretched.length === 0 ? full : graph.sum(full, stretched, true)
  return lead === 0 ? kept : graph.sum(kept, [...Array(lead).keys()], false)
}

/** Repeats a gradient that is constant along some axes, so that it has `like`'s shape. */
function widen(graph: GraphBuilder, gradient: Value, like: Value): Value {
  if (sameShape(gradient.shape, like.shape)) return gradient
  const [expanded] = graph.node('Expand', [gradient, sizes(graph, like)], [{ type: gradient.type, shape: like.shape }]) as [Value]
  return expanded
}

/** Puts back the axes that a reduction dropped, as size 1: the gradient is constant along them. */
function restoreAxes(graph: GraphBuilder, step: Step, gradient: Value): Value {
  if (step.attributes['keepdims'] === 1) return gradient
  const axes = step.attributes['axes'] as readonly number[]
  const shape = step.inputs[0]!.shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
  const [restored] = graph.node('Unsqueeze', [gradient, graph.int64s(axes)], [{ type: gradient.type, shape }]) as [Value]
  return restored
}

function sizes(graph: GraphBuilder, value: Value): Value {
  const [shape] = graph.node('Shape', [value], [{ type: 'int64', shape: [value.shape.length] }]) as [Value]
  return shape
}

function swapLast(graph: GraphBuilder, value: Value): Value {
  const axes = value.shape.map((_, axis) => axis)
  const last = axes.length - 1
  return graph.transpose(value, [...axes.slice(0, -2), last, last - 1])
}

function sameShape(a: readonly Dimension[], b: readonly Dimension[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis])
}

function fixed(size: Dimension | undefined): number {
  if (typeof size !== 'number') throw new GraphError(`the axis of size ${size} needs a fixed size to be differentiated`)
  return size
}
