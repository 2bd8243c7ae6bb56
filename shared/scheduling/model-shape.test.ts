import { expect, test } from 'vitest'
import { sliceTensors } from '../model/tensor-names.ts'
import { loraTensors } from '../model/lora.ts'
import { elementCount } from '../model/tensor.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import { stageSlice } from './layer-range.ts'
import { modelShape } from './model-shape.ts'
import { stageCapacity } from './stage-capacity.ts'

const lora = { rank: 4, alpha: 8, targets: ['q_proj', 'down_proj'] } as const

test.each([true, false])('slices weigh what their tensors and caches weigh, embeddings tied: %s', tiedEmbeddings => {
  const config = tinyConfig({ layers: 4, tiedEmbeddings })
  const shape = modelShape(config, { rows: 3, contextTokens: 50, lora })
  for (const [start, end, other] of [
    [1, 3, 0],
    [0, 2, shape.embeddingBytes],
    [1, 4, shape.headBytes],
    [0, 4, shape.embeddingAndHeadBytes]
  ] as const) {
    const tensors = [...sliceTensors(config, stageSlice(4, start, end)), ...loraTensors(config, lora, start, end)]
    const elements = tensors.reduce((total, { shape }) => total + elementCount(shape), 0)
    const cache = (end - start) * 2 * 3 * config.kvHeads * 50 * config.headDim
    expect((end - start) * shape.layerBytes + other).toBe(4 * (elements + cache))
  }
})

test('a run that trains every parameter has no adapter', () => {
  const config = tinyConfig()
  const adapter = loraTensors(config, lora, 0, 1).reduce((total, { shape }) => total + elementCount(shape), 0)
  const use = { rows: 1, contextTokens: 8 }
  expect(modelShape(config, { ...use, lora }).layerBytes - modelShape(config, use).layerBytes).toBe(4 * adapter)
})

test('capacity counts what else a stage holds, and never exceeds the model', () => {
  const shape = { layers: 6, layerBytes: 10, embeddingBytes: 15, headBytes: 25, embeddingAndHeadBytes: 30 }
  expect(stageCapacity(shape, 59)).toEqual({ middle: 5, first: 4, last: 3, whole: 2 })
  expect(stageCapacity(shape, 9)).toEqual({ middle: 0, first: 0, last: 0, whole: 0 })
  expect(stageCapacity(shape, 1000)).toEqual({ middle: 6, first: 6, last: 6, whole: 6 })
})
