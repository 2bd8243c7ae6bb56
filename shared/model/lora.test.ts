import { describe, expect, it } from 'vitest'
import { createRng } from '../random/rng.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import { mergeAdapter } from './merge-adapter.ts'
import { randomAdapter, randomWeights } from './random-weights.ts'
import { fromPeftNames, initialAdapter, loraTensors, peftAdapterConfig, toPeftNames, zeroAdapter, type LoraConfig } from './lora.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'
import { zeros, type Tensor } from './tensor.ts'

const config = tinyConfig()
const lora: LoraConfig = { rank: 4, alpha: 16, targets: ['down_proj', 'q_proj'] }

describe('LoRA', () => {
  it('names and shapes both factors of every target in every layer', () => {
    const specs = loraTensors(config, lora)
    expect(specs).toHaveLength(3 * 2 * 2)
    expect(specs.slice(0, 4)).toEqual([
      { name: 'model.layers.0.self_attn.q_proj.lora_A.weight', shape: [4, 24] },
      { name: 'model.layers.0.self_attn.q_proj.lora_B.weight', shape: [64, 4] },
      { name: 'model.layers.0.mlp.down_proj.lora_A.weight', shape: [4, 40] },
      { name: 'model.layers.0.mlp.down_proj.lora_B.weight', shape: [24, 4] }
    ])
    expect(loraTensors(config, lora, 1, 2)).toHaveLength(4)
  })

  it('starts with A uniform in ±1/√in and B zero, the same for the same seed', () => {
    const adapter = initialAdapter(config, lora, createRng(3))
    const a = adapter.get('model.layers.1.mlp.down_proj.lora_A.weight')!.data
    expect(Math.max(...a)).toBeLessThanOrEqual(1 / Math.sqrt(40))
    expect(Math.max(...a)).toBeGreaterThan(0.9 / Math.sqrt(40))
    expect(Math.min(...a)).toBeLessThan(-0.9 / Math.sqrt(40))
    expect(adapter.get('model.layers.1.mlp.down_proj.lora_B.weight')!.data.every(value => value === 0)).toBe(true)
    expect(initialAdapter(config, lora, createRng(3))).toEqual(adapter)
  })

  it('survives a PEFT file and refuses one that does not fit', () => {
    const adapter = initialAdapter(config, lora, createRng(3))
    const file = readSafetensors(writeSafetensors(toPeftNames(adapter)), 'a')
    expect([...file.keys()].every(name => name.startsWith('base_model.model.model.layers.'))).toBe(true)
    expect(fromPeftNames('a', file, config, lora)).toEqual(adapter)
    expect(() => fromPeftNames('a', adapter, config, lora)).toThrow(/a: tensor "base_model.*is missing/)
    expect(() => fromPeftNames('a', file, config, { ...lora, rank: 8 })).toThrow(/where \[8,24\] was expected/)
    expect(() => fromPeftNames('a', new Map([...file, ['x', zeros([1])]]), config, lora)).toThrow(/"x" does not belong/)
  })

  it('has a zero adapter and a PEFT config of the same targets', () => {
    expect([...zeroAdapter(config, lora).values()].every(tensor => tensor.data.every(value => value === 0))).toBe(true)
    expect(peftAdapterConfig(lora, 'base')).toMatchObject({ r: 4, lora_alpha: 16, target_modules: ['q_proj', 'down_proj'] })
  })

  it('merged into a weight gives W x + (α/r) B (A x), and leaves other weights alone', () => {
    const weights = randomWeights(config, 1)
    const adapter = randomAdapter(config, lora, 2)
    const merged = mergeAdapter(weights, adapter, config, lora)
    const name = 'model.layers.1.mlp.down_proj'
    const x = Float32Array.from({ length: 40 }, (_, index) => Math.sin(index))
    const times = ({ shape: [out, inner], data }: Tensor, vector: Float32Array): Float32Array =>
      Float32Array.from({ length: out! }, (_, row) => vector.reduce((sum, value, column) => sum + data[row * inner! + column]! * value, 0))
    const low = times(adapter.get(`${name}.lora_B.weight`)!, times(adapter.get(`${name}.lora_A.weight`)!, x))
    const plain = times(weights.get(`${name}.weight`)!, x)
    const got = times(merged.get(`${name}.weight`)!, x)
    for (const [row, value] of got.entries()) expect(value).toBeCloseTo(plain[row]! + 4 * low[row]!, 4)
    expect(Math.max(...low.map(Math.abs))).toBeGreaterThan(1e-3)
    const changed = [...merged].filter(([name, tensor]) => tensor !== weights.get(name)).map(([name]) => name)
    expect(changed).toHaveLength(3 * 2)
    expect(changed.every(name => /(down|q)_proj\.weight$/.test(name))).toBe(true)
  })
})
