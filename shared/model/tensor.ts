/** A dense row-major float32 array with its shape. An empty shape is a scalar. */
export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array<ArrayBuffer>
}

/** Tensors by their Hugging Face name. */
export type Tensors = ReadonlyMap<string, Tensor>

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

export function zeros(shape: readonly number[]): Tensor {
  return { shape, data: new Float32Array(elementCount(shape)) }
}

export function sameShape(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((size, axis) => size === right[axis])
}
