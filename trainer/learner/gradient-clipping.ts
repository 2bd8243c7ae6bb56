/** Euclidean norm over all gradients together; NaN or Infinity when any element is. */
export function globalNorm(gradients: ReadonlyMap<string, Float32Array>): number {
  let squares = 0
  for (const gradient of gradients.values()) {
    for (let at = 0; at < gradient.length; at++) squares += gradient[at]! * gradient[at]!
  }
  return Math.sqrt(squares)
}

/** The factor that brings a gradient of norm `norm` down to `maxNorm` (Pascanu et al. 2013, §3.2); 1 when it is short enough. */
export function clippingFactor(norm: number, maxNorm: number): number {
  return norm > maxNorm ? maxNorm / norm : 1
}
