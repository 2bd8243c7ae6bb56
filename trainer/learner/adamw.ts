export interface AdamWOptions {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** Decoupled: the fraction lr · weightDecay of every parameter is taken off at each step. */
  readonly weightDecay: number
}

/** Running means of one tensor's gradient and of its square. */
export interface Moments {
  readonly first: Float32Array
  readonly second: Float32Array
}

/**
 * One step of AdamW with bias correction (Loshchilov & Hutter 2019, algorithm 2), in place.
 * @param step 1 for the first update
 * @param scale multiplies the gradient before use: what gradient clipping asks for
 */
export function adamW(
  parameter: Float32Array,
  gradient: Float32Array,
  { first, second }: Moments,
  step: number,
  learningRate: number,
  scale: number,
  { beta1, beta2, epsilon, weightDecay }: AdamWOptions
): void {
  const stepSize = learningRate / (1 - beta1 ** step)
  const secondCorrection = 1 / Math.sqrt(1 - beta2 ** step)
  const kept = 1 - learningRate * weightDecay
  for (let at = 0; at < parameter.length; at++) {
    const slope = gradient[at]! * scale
    const mean = beta1 * first[at]! + (1 - beta1) * slope
    const square = beta2 * second[at]! + (1 - beta2) * slope * slope
    first[at] = mean
    second[at] = square
    parameter[at] = parameter[at]! * kept - (stepSize * mean) / (Math.sqrt(square) * secondCorrection + epsilon)
  }
}
