import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { differentiate } from './autodiff.ts'
import { GraphBuilder, type Value } from './graph-builder.ts'

/** Deterministic values in (low, high) without any two equal neighbours. */
function values(count: number, seed: number, low = -1, high = 1): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => low + (high - low) * (0.5 + 0.5 * Math.sin(seed * 12.9 + index * 2.399)))
}

interface Case {
  readonly name: string
  readonly shapes: readonly (readonly number[])[]
  /** Range of the inputs; positive where the operator needs it. */
  readonly range?: readonly [number, number]
  /** Dimensions given as names in the graph, by size: exercises the paths for shapes that differ from run to run. */
  readonly named?: Readonly<Record<number, string>>
  readonly build: (graph: GraphBuilder, inputs: readonly Value[]) => Value
}

const CASES: readonly Case[] = [
  { name: 'Add', shapes: [[2, 3], [2, 3]], build: (g, [a, b]) => g.add(a!, b!) },
  { name: 'Add, broadcast', shapes: [[2, 3], [3]], build: (g, [a, b]) => g.add(a!, b!) },
  { name: 'Sub, broadcast', shapes: [[2, 1, 3], [4, 1]], build: (g, [a, b]) => g.sub(a!, b!) },
  { name: 'Mul', shapes: [[2, 3], [2, 3]], build: (g, [a, b]) => g.mul(a!, b!) },
  { name: 'Mul, broadcast', shapes: [[2, 3], [2, 1]], build: (g, [a, b]) => g.mul(a!, b!) },
  { name: 'Mul by itself', shapes: [[2, 3]], build: (g, [a]) => g.mul(a!, a!) },
  { name: 'Div, broadcast', shapes: [[3], [2, 3]], range: [0.5, 2], build: (g, [a, b]) => g.div(a!, b!) },
  { name: 'Neg', shapes: [[4]], build: (g, [a]) => g.neg(a!) },
  { name: 'Sqrt', shapes: [[4]], range: [0.5, 2], build: (g, [a]) => g.sqrt(a!) },
  { name: 'Exp', shapes: [[4]], build: (g, [a]) => g.exp(a!) },
  { name: 'Log', shapes: [[4]], range: [0.5, 2], build: (g, [a]) => g.log(a!) },
  { name: 'Sigmoid', shapes: [[4]], build: (g, [a]) => g.sigmoid(a!) },
  { name: 'Softmax', shapes: [[2, 4]], build: (g, [a]) => g.softmax(a!) },
  { name: 'ReduceMean', shapes: [[2, 4]], build: (g, [a]) => g.mul(g.meanLast(a!), a!) },
  { name: 'ReduceSum, kept', shapes: [[2, 4, 3]], build: (g, [a]) => g.mul(g.sum(a!, [1], true), a!) },
  { name: 'ReduceSum, dropped', shapes: [[2, 4, 3]], build: (g, [a]) => g.exp(g.sum(a!, [0, 2], false)) },
  { name: 'ReduceSum alone', shapes: [[2, 4]], named: { 2: 'rows' }, build: (g, [a]) => g.sum(a!, [1], true) },
  { name: 'MatMul', shapes: [[2, 3], [3, 4]], build: (g, [a, b]) => g.matmul(a!, b!) },
  { name: 'MatMul, batched', shapes: [[2, 5, 3], [2, 3, 4]], build: (g, [a, b]) => g.matmul(a!, b!) },
  { name: 'MatMul, broadcast batch', shapes: [[2, 5, 2, 3], [5, 3, 4]], build: (g, [a, b]) => g.matmul(a!, b!) },
  { name: 'MatMul, one shared right side', shapes: [[2, 5, 3], [1, 3, 4]], build: (g, [a, b]) => g.matmul(a!, b!) },
  ...[false, true].flatMap(transA =>
    [false, true].map(transB => ({
      name: `Gemm, transA ${transA}, transB ${transB}, alpha, add`,
      shapes: [transA ? [3, 5] : [5, 3], transB ? [4, 3] : [3, 4], [5, 4]],
      build: (g: GraphBuilder, [a, b, c]: readonly Value[]) => g.gemm(a!, b!, { transA, transB, alpha: 0.7, add: c! })
    }))
  ),
  { name: 'Gemm, both factors the same', shapes: [[3, 3]], build: (g, [a]) => g.gemm(a!, a!, { transB: true, add: a! }) },
  {
    name: 'RotaryEmbedding',
    shapes: [[2, 3, 8]],
    build: (g, [a]) => {
      const angles = values(5 * 2, 4, 0, 3)
      const positions = g.initializer('positions', [2, 3], BigInt64Array.of(0n, 1n, 2n, 4n, 3n, 0n))
      const rotated = g.rotaryEmbedding(a!, positions, g.initializer('cos', [5, 2], angles.map(Math.cos)), g.initializer('sin', [5, 2], angles.map(Math.sin)))
      return g.exp(rotated)
    }
  },
  { name: 'Gemm, bias', shapes: [[5, 3], [4, 3], [4]], build: (g, [a, b, c]) => g.gemm(a!, b!, { transB: true, add: c! }) },
  { name: 'Transpose', shapes: [[2, 3, 4]], build: (g, [a]) => g.exp(g.transpose(a!, [2, 0, 1])) },
  { name: 'Reshape', shapes: [[2, 6]], build: (g, [a]) => g.exp(g.reshape(a!, [3, 4])) },
  { name: 'Reshape, named', shapes: [[2, 5, 6]], named: { 2: 'sequences', 5: 'length' }, build: (g, [a]) => g.exp(g.reshape(a!, ['rows', 6])) },
  { name: 'Slice', shapes: [[2, 6]], named: { 2: 'rows' }, build: (g, [a]) => g.exp(g.slice(a!, 1, 1, 4)) },
  { name: 'Concat', shapes: [[2, 1], [2, 3]], build: (g, [a, b]) => g.exp(g.concat([a!, b!], 1)) },
  {
    name: 'a value used several times',
    shapes: [[3, 3]],
    build: (g, [a]) => g.add(g.matmul(a!, g.sigmoid(a!)), g.mul(a!, g.scalar(3)))
  }
]

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1)

describe('differentiate', () => {
  it.each(CASES)('agrees with central differences: $name', async ({ shapes, range = [-1, 1], named = {}, build }) => {
    const graph = new GraphBuilder('test')
    const inputs = shapes.map((shape, index) => graph.input(`x${index}`, 'float32', shape.map(length => named[length] ?? length)))
    const result = build(graph, inputs)
    const outputShape = result.shape.map(length => {
      if (typeof length === 'number') return length
      const known = Object.entries(named).find(([, name]) => name === length)
      return known === undefined ? 10 : Number(known[0])
    })
    const seed = graph.input('seed', 'float32', result.shape)
    const gradients = differentiate(graph, [{ value: result, gradient: seed }], inputs)
    graph.output('y', result)
    for (const [index, gradient] of gradients.entries()) graph.output(`g${index}`, gradient)

    const session = await ort.InferenceSession.create(graph.build())
    const data = shapes.map((shape, index) => values(size(shape), index + 1, ...range))
    const upstream = values(size(outputShape), 9)
    const run = async (): Promise<ort.InferenceSession.OnnxValueMapType> =>
      session.run({
        ...Object.fromEntries(data.map((array, index) => [`x${index}`, new ort.Tensor('float32', array, shapes[index]!)])),
        seed: new ort.Tensor('float32', upstream, outputShape)
      })
    const objective = async (): Promise<number> => {
      const y = (await run())['y']!.data as Float32Array
      return y.reduce((total, value, index) => total + value * upstream[index]!, 0)
    }

    const analytic = await run()
    for (const [index, array] of data.entries()) {
      const gradient = analytic[`g${index}`]!
      expect(gradient.dims).toEqual(shapes[index])
      for (let at = 0; at < array.length; at += 1) {
        const kept = array[at]!
        const step = 1e-2
        array[at] = kept + step
        const above = await objective()
        array[at] = kept - step
        const below = await objective()
        array[at] = kept
        expect((gradient.data as Float32Array)[at]).toBeCloseTo((above - below) / (2 * step), 2.7)
      }
    }
  })

  it('adds no gradient for what is not wanted', () => {
    const graph = new GraphBuilder('test')
    const x = graph.input('x', 'float32', ['rows', 3])
    const frozen = graph.input('w', 'float32', [4, 3])
    const y = graph.gemm(x, frozen, { transB: true })
    const before = graph.steps.length
    const [gradient] = differentiate(graph, [{ value: y, gradient: graph.input('seed', 'float32', ['rows', 4]) }], [x])
    expect(graph.steps.slice(before).map(step => step.op)).toEqual(['Gemm'])
    expect(gradient!.shape).toEqual(['rows', 3])
  })

  it('refuses an operator without a rule, and a value that does not matter', () => {
    const graph = new GraphBuilder('test')
    const table = graph.input('table', 'float32', [5, 3])
    const unused = graph.input('unused', 'float32', [3])
    const rows = graph.gather(table, graph.input('ids', 'int64', [2]))
    const seeds = [{ value: rows, gradient: graph.input('seed', 'float32', [2, 3]) }]
    expect(() => differentiate(graph, seeds, [table])).toThrow('no gradient rule for Gather')
    expect(() => differentiate(graph, seeds, [unused])).toThrow('unused does not reach any seed')
  })
})
