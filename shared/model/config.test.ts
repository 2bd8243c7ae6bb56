import { describe, expect, it } from 'vitest'
import { tinyConfig } from '../testing/tiny-model.ts'
import { parseDecoderConfig, toHuggingFaceConfig } from './config.ts'
import { ModelFileError } from './model-file-error.ts'

const base = toHuggingFaceConfig(tinyConfig())
const { rope_parameters: _, ...transformers4 } = base
const { rope_theta: __, ...transformers5 } = base

const parse = (json: unknown) => parseDecoderConfig(json, 'config.json')

describe('parseDecoderConfig', () => {
  it.each([tinyConfig(), tinyConfig({ architecture: 'llama', tiedEmbeddings: false, padTokenId: undefined, eosTokenIds: [2, 3] })])(
    'reads back what toHuggingFaceConfig wrote',
    config => {
      expect(parse(JSON.parse(JSON.stringify(toHuggingFaceConfig(config))))).toEqual(config)
    }
  )

  it('reads rope_theta of transformers 4 and rope_parameters of transformers 5', () => {
    expect(parse({ ...transformers4, rope_theta: 1e6, rope_scaling: null }).ropeTheta).toBe(1e6)
    expect(parse({ ...transformers5, rope_parameters: { rope_type: 'default', rope_theta: 5e5 } }).ropeTheta).toBe(5e5)
  })

  it('derives head_dim and key-value heads when they are left out', () => {
    const { head_dim: _, num_key_value_heads: __, ...rest } = base
    const config = parse({ ...rest, hidden_size: 64 })
    expect([config.headDim, config.kvHeads]).toEqual([16, 4])
  })

  it.each([
    [{ rope_parameters: { rope_type: 'yarn', rope_theta: 1e4 } }, /rope scaling "yarn"/],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, /rope scaling "linear"/],
    [{ attention_bias: true }, /attention_bias/],
    [{ mlp_bias: true }, /mlp_bias/],
    [{ hidden_act: 'gelu' }, /hidden_act "gelu"/],
    [{ use_sliding_window: true }, /sliding-window/],
    [{ layer_types: ['full_attention', 'sliding_attention'] }, /sliding-window/],
    [{ model_type: 'mamba' }, /model_type "mamba"/],
    [{ hidden_size: '24' }, /hidden_size is missing or wrong/],
    [{ num_hidden_layers: undefined }, /num_hidden_layers is missing or wrong/],
    [{ num_key_value_heads: 3 }, /not a multiple of num_key_value_heads/],
    [{ head_dim: 24 }, /head_dim 24 is not a multiple of 16/],
    [{ eos_token_id: null }, /eos_token_id is missing/],
    [{ bos_token_id: 4000 }, /token id 4000 is outside/]
  ])('refuses %j in one line that names the file', (change, message) => {
    const attempt = () => parse({ ...base, ...change })
    expect(attempt).toThrow(ModelFileError)
    expect(attempt).toThrow(message)
    expect(attempt).toThrow(/^config\.json: [^\n]+$/)
  })

  it('refuses what is not an object', () => {
    expect(() => parse([])).toThrow(ModelFileError)
    expect(() => parse(null)).toThrow(ModelFileError)
  })
})
