import type { DecoderConfig } from '../model/config.ts'

/** A decoder small enough for a test to run in milliseconds, with grouped queries and unequal sizes everywhere. */
export function tinyConfig(overrides: Partial<DecoderConfig> = {}): DecoderConfig {
  const architecture = overrides.architecture ?? 'qwen3'
  return {
    architecture,
    vocabSize: 23,
    hiddenSize: 24,
    intermediateSize: 40,
    layers: 3,
    heads: 4,
    kvHeads: 2,
    headDim: 16,
    rmsNormEpsilon: 1e-6,
    ropeTheta: 10_000,
    tiedEmbeddings: true,
    contextLength: 64,
    qkNorm: architecture === 'qwen3',
    bosTokenId: 1,
    padTokenId: 0,
    eosTokenIds: [2],
    ...overrides
  }
}
