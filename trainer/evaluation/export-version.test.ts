import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { environmentNamed } from '#shared/environments/environments.ts'
import { randomAdapter } from '#shared/model/random-weights.ts'
import { readModel } from '../model-files.ts'
import { checkRunFile } from '../run-file.ts'
import { openCheckpoints } from '../store/checkpoints.ts'
import { createRunDirectory } from '../store/run-directory.ts'
import { exportVersion } from './export-version.ts'
import { heldOutTasks, playGreedily } from './greedy-success.ts'
import { openModel, openRunVersion, type StoredPolicy } from './stored-policy.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-export-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const model = fileURLToPath(new URL('../../public/models/murmuration-tiny', import.meta.url))
const run = join(folder, 'run')

beforeAll(async () => {
  const runFile = checkRunFile({ name: 'r', goal: 'g', updates: 9, model: { path: model }, environment: { name: 'arithmetic' }, lora: { rank: 4, targets: ['q_proj', 'down_proj'] } }, 'run.toml')
  const { checkpoints: place } = createRunDirectory(run, runFile)
  const { config } = await readModel(model)
  const checkpoints = openCheckpoints({ folder: place, config, lora: runFile.lora, baseModel: model, keep: 9 })
  for (const version of [3, 4]) checkpoints.write(version, { step: version, parameters: randomAdapter(config, runFile.lora, version), moments: new Map() })
  checkpoints.nameBest({ version: 3, metric: 'success', value: 0.5 })
})

async function answers(opened: Promise<StoredPolicy>): Promise<string[]> {
  const { policy, close } = await opened
  const environment = environmentNamed('arithmetic')
  const finished = await playGreedily(policy, environment, heldOutTasks(environment, 48), { turns: 1, maxTokens: 4, rolloutTokens: 64 })
  await close()
  return finished.map(({ view }) => view)
}

test('the best version, written as a model of its own, answers as the run does', async () => {
  const out = join(folder, 'model')
  expect(await exportVersion(run, 'best', out)).toBe(3)
  expect(readdirSync(out).toSorted()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'])
  const asModel = await answers(openModel(out))
  expect(asModel).toEqual(await answers(openRunVersion(run, 'best')))
  expect(asModel).not.toEqual(await answers(openRunVersion(run, 4)))
})

test('what cannot be exported is said in one line', async () => {
  const full = mkdtempSync(join(folder, 'full-'))
  writeFileSync(join(full, 'file'), '')
  for (const taken of [full, join(full, 'file')]) await expect(exportVersion(run, 'best', taken)).rejects.toThrow(`${taken}: there is something already`)
  await expect(exportVersion(run, 7, join(folder, 'seven'))).rejects.toThrow(`${run}: there is no checkpoint of version 7; kept are 3, 4`)
})
