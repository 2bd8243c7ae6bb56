import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { ModelFileError } from '#shared/model/model-file-error.ts'
import { readSafetensors } from '#shared/model/safetensors.ts'
import { PROJECTIONS } from '#shared/model/tensor-names.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import type { TrainedPolicyState } from '../learner/trained-policy.ts'
import { openCheckpoints } from './checkpoints.ts'

const root = mkdtempSync(join(tmpdir(), 'murmuration-checkpoints-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const config = tinyConfig()
const lora: LoraConfig = { rank: 2, alpha: 4, targets: PROJECTIONS }
let folders = 0

function open(keep = 3, adapted: LoraConfig | null = lora) {
  const folder = join(root, String(folders++))
  return { folder, store: openCheckpoints({ folder, config, lora: adapted, baseModel: 'models/tiny', keep }) }
}

function state(seed: number): TrainedPolicyState {
  const parameters = randomAdapter(config, lora, seed)
  const moments: Tensors = new Map([...parameters].flatMap(([name, tensor]) => [[`${name}.exp_avg`, tensor], [`${name}.exp_avg_sq`, tensor]] as const))
  return { step: seed, parameters, moments }
}

describe('checkpoints', () => {
  test('give back exactly what was written', () => {
    const { store } = open()
    store.write(7, state(5))
    expect(store.read(7)).toEqual(state(5))
  })

  test('hold what PEFT loads: prefixed names and its config', () => {
    const { folder, store } = open()
    store.write(1, state(1))
    const file = join(folder, 'version-1', 'adapter_model.safetensors')
    expect([...readSafetensors(readFileSync(file), file).keys()].every(name => name.startsWith('base_model.model.model.layers.'))).toBe(true)
    expect(JSON.parse(readFileSync(join(folder, 'version-1', 'adapter_config.json'), 'utf8'))).toMatchObject({ peft_type: 'LORA', r: 2, lora_alpha: 4, base_model_name_or_path: 'models/tiny' })
  })

  test('of a run that trains everything hold the model', () => {
    const { folder, store } = open(3, null)
    const full = { step: 1, parameters: randomWeights(config, 1), moments: new Map() }
    store.write(1, full)
    expect(store.read(1).parameters).toEqual(full.parameters)
    expect(readdirSync(join(folder, 'version-1')).toSorted()).toEqual(['model.safetensors', 'optimizer.safetensors', 'trainer-state.json'])
  })

  test('are kept while they are among the newest, and every fiftieth for good', () => {
    const { store } = open(2)
    for (const version of [49, 50, 51, 52, 53]) store.write(version, state(1))
    expect(store.versions()).toEqual([50, 52, 53])
    store.removeAfter(52)
    expect(store.versions()).toEqual([50, 52])
  })

  test('of the best version are kept until another is better, also by a later process', () => {
    const { folder, store } = open(1)
    expect(store.best()).toBeUndefined()
    store.write(1, state(1))
    store.nameBest({ version: 1, metric: 'success', value: 0.5 })
    for (const version of [2, 3]) store.write(version, state(1))
    expect(store.versions()).toEqual([1, 3])
    const later = openCheckpoints({ folder, config, lora, baseModel: 'models/tiny', keep: 1 })
    later.write(4, state(1))
    expect([later.versions(), later.best()]).toEqual([[1, 4], { version: 1, metric: 'success', value: 0.5 }])
    later.nameBest({ version: 4, metric: 'success', value: 0.75 })
    later.write(5, state(1))
    expect(later.versions()).toEqual([4, 5])
    later.removeAfter(3)
    later.write(4, state(2))
    expect(later.best()).toBeUndefined()
    writeFileSync(join(folder, 'best.json'), '{"version"')
    expect(later.best()).toBeUndefined()
  })

  test('that are being measured are kept until they are', () => {
    const { store } = open(1)
    store.write(1, state(1))
    store.hold(1)
    for (const version of [2, 3]) store.write(version, state(1))
    expect(store.versions()).toEqual([1, 3])
    store.release(1)
    expect(store.versions()).toEqual([3])
  })

  test('that are damaged in any file are refused with the name of the file', () => {
    const { folder, store } = open()
    for (const name of ['adapter_model.safetensors', 'optimizer.safetensors', 'trainer-state.json']) {
      store.write(3, state(1))
      truncateSync(join(folder, 'version-3', name), 100)
      expect(() => store.read(3)).toThrow(ModelFileError)
      expect(() => store.read(3)).toThrow(name)
    }
    store.write(3, state(1))
    const path = join(folder, 'version-3', 'optimizer.safetensors')
    const bytes = readFileSync(path)
    bytes[bytes.length - 3]! ^= 1
    writeFileSync(path, bytes)
    expect(() => store.read(3)).toThrow(/optimizer\.safetensors: damaged/)
    rmSync(path)
    expect(() => store.read(3)).toThrow(/optimizer\.safetensors: missing/)
  })

  test('that were being written when the process died do not count', () => {
    const { folder, store } = open()
    store.write(3, state(1))
    writeFileSync(join(folder, '.version-4.tmp'), 'half')
    expect(store.versions()).toEqual([3])
  })
})
