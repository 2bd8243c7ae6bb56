import { beforeEach, describe, expect, it } from 'vitest'
import { tinyConfig } from '../testing/tiny-model.ts'
import { randomWeights } from './random-weights.ts'
import { characterTokenizer } from './character-tokenizer.ts'
import { toHuggingFaceConfig } from './config.ts'
import { readModelDirectory } from './model-directory.ts'
import { writeSafetensors } from './safetensors.ts'
import { zeros } from './tensor.ts'
import { encodeUtf8 } from './utf8.ts'

const config = tinyConfig({ vocabSize: 99 })
const weights = randomWeights(config, 1)
let files: Map<string, Uint8Array>
const load = () => readModelDirectory(file => Promise.resolve(files.get(file)))
const json = (value: unknown) => encodeUtf8(JSON.stringify(value))

beforeEach(() => {
  files = new Map([
    ['config.json', json(toHuggingFaceConfig(config))],
    ['tokenizer.json', json(characterTokenizer().tokenizerJson)],
    ['model.safetensors', writeSafetensors(new Map([...weights, ['lm_head.weight', zeros([99, 24])]]))]
  ])
})

describe('readModelDirectory', () => {
  it('gives config, tokenizer and exactly the weights of the config', async () => {
    const model = await load()
    expect(model.config).toEqual(config)
    expect(model.weights).toEqual(weights)
    expect(model.tokenizer.decode(model.tokenizer.encode('1+1='))).toBe('1+1=')
  })

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])('names a missing %s', async file => {
    files.delete(file)
    await expect(load()).rejects.toThrow(new RegExp(`^${file}: missing`))
  })

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])('names a truncated %s', async file => {
    files.set(file, files.get(file)!.subarray(0, -5))
    await expect(load()).rejects.toThrow(new RegExp(`^${file}: .*(truncated)[^\\n]*$`))
  })

  it('names a weight that is missing or of another shape', async () => {
    const name = 'model.layers.2.mlp.up_proj.weight'
    files.set('model.safetensors', writeSafetensors(new Map([...weights].filter(([key]) => key !== name))))
    await expect(load()).rejects.toThrow(/up_proj\.weight" is missing/)
    files.set('model.safetensors', writeSafetensors(new Map([...weights, [name, zeros([4, 4])]])))
    await expect(load()).rejects.toThrow(/is \[4,4\] where config.json asks for \[40,24\]/)
  })
})
