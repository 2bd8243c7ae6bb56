import * as nodeRuntime from 'onnxruntime-node'
import * as wasmRuntime from 'onnxruntime-web/wasm'
import { describe, expect, it } from 'vitest'
import { randomWeights } from '../model/random-weights.ts'
import { wholeModel } from '../model/tensor-names.ts'
import { LOGIT_TOLERANCE, scenarioError, SCENARIO_MODELS, SLICE_SCENARIOS, type MakeSliceEngine } from '../testing/slice-scenarios.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import { cpuSessionOptions } from './ort-runtime.ts'
import { createOrtSliceEngine } from './ort-slice-engine.ts'

wasmRuntime.env.wasm.numThreads = 1

const runtimes: [string, MakeSliceEngine][] = [
  [
    'onnxruntime-node',
    (config, weights, options) =>
      createOrtSliceEngine({ runtime: nodeRuntime, kind: 'node', config, weights, sessionOptions: cpuSessionOptions('cpu', 1), ...options })
  ],
  [
    'onnxruntime-web WASM',
    (config, weights, options) =>
      createOrtSliceEngine({ runtime: wasmRuntime, kind: 'wasm', config, weights, sessionOptions: cpuSessionOptions('wasm', 1), ...options })
  ]
]

describe.each(runtimes)('slice engine on %s', (_, makeEngine) => {
  describe.each(SCENARIO_MODELS)('$name', ({ config }) => {
    it.each(SLICE_SCENARIOS)('equals the reference: $name', async scenario => {
      expect(await scenarioError(scenario, config, makeEngine)).toBeLessThan(LOGIT_TOLERANCE)
    })
  })

  it('refuses calls that cannot be right', async () => {
    const config = tinyConfig()
    const engine = await makeEngine(config, randomWeights(config, 1), { slice: wholeModel(config) })
    const cache = engine.createCache(1, 2)
    const call = (lengths: number[], steps = 1, tokens = new Int32Array(steps)) =>
      engine.forward({ tokens, rows: 1, steps, lengths: Int32Array.from(lengths), logitRows: Int32Array.of(0) }, cache)
    await expect(call([3])).rejects.toThrow(RangeError)
    await expect(call([0])).rejects.toThrow(RangeError)
    await expect(call([1, 1])).rejects.toThrow(RangeError)
    await expect(call([1], 1, new Int32Array(2))).rejects.toThrow(/tokens: 2 elements/)
    await expect(engine.setAdapter(new Map())).rejects.toThrow(/without an adapter/)
    await expect(engine.setWeights(new Map())).rejects.toThrow(/embed_tokens/)
    expect(() => engine.createCache(1, 65)).toThrow(RangeError)
    await engine.release()
    await expect(call([1])).rejects.toThrow(/released/)
  })
})
