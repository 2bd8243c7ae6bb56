import * as nodeRuntime from 'onnxruntime-node'
import * as wasmRuntime from 'onnxruntime-web/wasm'
import { describe, expect, it } from 'vitest'
import { randomAdapter, randomWeights } from '../model/random-weights.ts'
import { referenceForward } from '../testing/reference-forward.ts'
import { GOLDEN_CONFIG, GOLDEN_LOGITS, GOLDEN_LORA, GOLDEN_TOKENS, runSelfTest } from './golden-self-test.ts'
import { cpuSessionOptions } from './ort-runtime.ts'
import { createOrtSliceEngine } from './ort-slice-engine.ts'
import type { SliceEngine } from './slice-engine.ts'

wasmRuntime.env.wasm.numThreads = 1

const onNode: Parameters<typeof runSelfTest>[0] = (config, weights, lora) =>
  createOrtSliceEngine({ runtime: nodeRuntime, kind: 'node', config, weights, lora, sessionOptions: cpuSessionOptions('cpu', 1) })

describe('golden self-test', () => {
  it('holds the logits of the reference forward', () => {
    const adapter = { lora: GOLDEN_LORA, tensors: randomAdapter(GOLDEN_CONFIG, GOLDEN_LORA, 'golden') }
    const logits = referenceForward(GOLDEN_CONFIG, randomWeights(GOLDEN_CONFIG, 'golden'), GOLDEN_TOKENS, adapter)
    for (const [row, expected] of GOLDEN_LOGITS.entries()) {
      const actual = logits[GOLDEN_TOKENS.length - GOLDEN_LOGITS.length + row]!
      expect(actual.map(logit => Number(logit.toFixed(6)))).toEqual(expected)
    }
  })

  it('passes on onnxruntime-node and WASM', async () => {
    expect((await runSelfTest(onNode)).ok).toBe(true)
    const onWasm = await runSelfTest((config, weights, lora) =>
      createOrtSliceEngine({ runtime: wasmRuntime, kind: 'wasm', config, weights, lora, sessionOptions: cpuSessionOptions('wasm', 1) })
    )
    expect(onWasm.ok).toBe(true)
    expect(onWasm.maxDifference).toBeLessThan(1e-4)
  })

  it('fails for a wrong norm, a lost adapter and numbers that are not', async () => {
    const wrongNorm = await runSelfTest((config, weights, lora) => {
      const name = 'model.layers.1.self_attn.k_norm.weight'
      const norm = weights.get(name)!
      return onNode(config, new Map([...weights, [name, { ...norm, data: norm.data.map(value => value * 1.1) }]]), lora)
    })
    expect(wrongNorm.ok).toBe(false)
    const lostAdapter = await runSelfTest(async (...model) => overriding(await onNode(...model), { setAdapter: async () => {} }))
    expect(lostAdapter.ok).toBe(false)
    const notNumbers = await runSelfTest(async (...model) => {
      const engine = await onNode(...model)
      return overriding(engine, {
        forward: async (...call) => {
          const { logits } = await engine.forward(...call)
          return { logits: logits!.fill(NaN, 3, 4) }
        }
      })
    })
    expect(notNumbers).toEqual({ ok: false, maxDifference: Infinity })
  })
})

/** The engine with some of its methods replaced by faulty ones. */
function overriding(engine: SliceEngine, faults: Partial<SliceEngine>): SliceEngine {
  return {
    kind: engine.kind,
    config: engine.config,
    slice: engine.slice,
    setAdapter: adapter => engine.setAdapter(adapter),
    setWeights: weights => engine.setWeights(weights),
    createCache: (rows, capacity) => engine.createCache(rows, capacity),
    forward: (input, cache) => engine.forward(input, cache),
    release: () => engine.release(),
    ...faults
  }
}
