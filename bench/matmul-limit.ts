import * as ort from 'onnxruntime-node'
import { GraphBuilder } from '#shared/graph/graph-builder.ts'

const SIZE = 1024

/**
 * What onnxruntime reaches on this machine with nothing but one large matrix product: the ceiling for anything built on it.
 * @returns a call that does one product, and its floating-point operations
 */
export async function matmulLimit(threads: number): Promise<{ readonly call: () => Promise<unknown>; readonly operations: number }> {
  const graph = new GraphBuilder('matmul')
  const left = graph.input('left', 'float32', [SIZE, SIZE])
  const right = graph.input('right', 'float32', [SIZE, SIZE])
  graph.output('product', graph.matmul(left, right))
  const session = await ort.InferenceSession.create(graph.build(), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    extra: { session: { intra_op: { allow_spinning: '0' } } }
  })
  const matrix = new ort.Tensor('float32', new Float32Array(SIZE * SIZE).fill(0.5), [SIZE, SIZE])
  return { call: () => session.run({ left: matrix, right: matrix }), operations: 2 * SIZE ** 3 }
}
