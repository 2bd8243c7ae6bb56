import * as ort from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { stageSlice } from '#shared/scheduling/layer-range.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { profileSteps } from './slice-speed.ts'

const config = tinyConfig()

test.each([[0, config.layers], [0, 1], [1, config.layers]])('layers %i to %i: prefill and decode are measured with one row and with more', async (start, end) => {
  const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights: randomWeights(config, 'speed'), slice: stageSlice(config.layers, start, end), sessionOptions: cpuSessionOptions('cpu', 1) })
  const steps = await profileSteps(engine)
  await engine.release()
  expect(steps.map(({ kind, rows }) => [kind, rows])).toEqual([['prefill', 8], ['decode', 1], ['decode', 1], ['decode', 1], ['prefill', 64], ['decode', 8], ['decode', 8], ['decode', 8]])
  expect(Math.min(...steps.map(({ ms }) => ms))).toBeGreaterThan(0)
})
