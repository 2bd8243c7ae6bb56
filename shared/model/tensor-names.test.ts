import { describe, expect, it } from 'vitest'
import { tinyConfig } from '../testing/tiny-model.ts'
import { parameterCount, sliceGroups, sliceTensors } from './tensor-names.ts'

describe('tensor names', () => {
  it('has 11 tensors per Qwen3 layer and 9 per Llama layer, plus embedding, final norm and an untied head', () => {
    expect(sliceTensors(tinyConfig())).toHaveLength(3 * 11 + 2)
    expect(sliceTensors(tinyConfig({ architecture: 'llama', tiedEmbeddings: false }))).toHaveLength(3 * 9 + 3)
  })

  it('counts the parameters of a known Qwen3 shape', () => {
    const config = tinyConfig({ hiddenSize: 96, intermediateSize: 256, heads: 4, kvHeads: 2, headDim: 32, vocabSize: 50 })
    expect(parameterCount(config)).toBe(337_440)
  })

  it('splits a model into slices that together hold exactly its layers', () => {
    const config = tinyConfig({ tiedEmbeddings: false })
    const first = sliceTensors(config, { start: 0, end: 1, embed: true, head: false })
    const rest = sliceTensors(config, { start: 1, end: 3, embed: false, head: true })
    expect([...first, ...rest]).toEqual(sliceTensors(config))
  })

  it('gives a last slice with a tied head the embedding too', () => {
    const groups = sliceGroups(tinyConfig(), { start: 2, end: 3, embed: false, head: true })
    expect(groups.map(group => group.name)).toEqual(['embed', 'layer.2', 'head'])
  })
})
