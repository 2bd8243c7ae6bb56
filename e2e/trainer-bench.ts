/** A trainer and a signaling server as processes of their own, a tiny model, and volunteers without a browser, for tests of the trainer. */
import { test as base } from '@playwright/test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { characterTokenizer, CHARACTER_VOCABULARY_SIZE } from '#shared/model/character-tokenizer.ts'
import { toHuggingFaceConfig, type DecoderConfig } from '#shared/model/config.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import { writeSafetensors } from '#shared/model/safetensors.ts'
import { Child, ROOT, type Exit } from '../cli/child-process.ts'
import { buildParts, type Part } from '../cli/part-build.ts'
import { inTime } from './in-time.ts'
import { NodeVolunteer, type NodeVolunteerOptions } from './node-volunteer.ts'

const TOKEN = 'a token of sixteen letters or more'
export const BATCH = 32

const CONFIG: DecoderConfig = {
  architecture: 'qwen3',
  vocabSize: CHARACTER_VOCABULARY_SIZE,
  hiddenSize: 32,
  intermediateSize: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedEmbeddings: true,
  contextLength: 64,
  qkNorm: true,
  bosTokenId: 1,
  padTokenId: 0,
  eosTokenIds: [2]
}

/** A server, and trainers and volunteers as they are asked for; everything is stopped after the test. */
export class Bench {
  readonly folder: string
  readonly #parts: string
  readonly #server: Child
  readonly #children: Child[] = []
  readonly #volunteers: NodeVolunteer[] = []
  url = ''

  static async open(folder: string): Promise<Bench> {
    const bench = new Bench(folder, await buildParts(ROOT))
    bench.url = String((await bench.#server.waitForEvent(({ event }) => event === 'listening'))['url'])
    return bench
  }

  private constructor(folder: string, parts: string) {
    this.folder = folder
    this.#parts = parts
    mkdirSync(join(folder, 'model'), { recursive: true })
    writeFileSync(join(folder, 'model', 'config.json'), JSON.stringify(toHuggingFaceConfig(CONFIG)))
    writeFileSync(join(folder, 'model', 'tokenizer.json'), JSON.stringify(characterTokenizer().tokenizerJson))
    writeFileSync(join(folder, 'model', 'model.safetensors'), writeSafetensors(randomWeights(CONFIG, 'trainer.spec')))
    this.#server = this.#start('signaling-server', ['--port', '0', '--page', folder, '--models', folder])
  }

  /** An untrained model hits a letter now and then, which is enough for the steps to differ from doing nothing. */
  runFile(settings: Record<string, unknown>): string {
    const path = join(this.folder, 'run.toml')
    const given = { name: 'test', goal: 'Reverses.', model: { path: 'model' }, environment: { name: 'reverse' }, batch: { prompts: 2, group: BATCH / 2, maxTokens: 12 }, evaluation: { size: 4 } }
    writeFileSync(path, stringify({ ...given, ...settings }))
    return path
  }

  train(args: readonly string[]): Child {
    return this.#start('trainer', ['--server', this.url, ...args])
  }

  volunteer(options: Omit<NodeVolunteerOptions, 'server'> = {}): NodeVolunteer {
    const volunteer = new NodeVolunteer({ server: this.url, ...options })
    this.#volunteers.push(volunteer)
    return volunteer
  }

  async stop(): Promise<void> {
    await Promise.all(this.#volunteers.map(volunteer => volunteer.stop()))
    await Promise.all(this.#children.toReversed().map(child => child.stop(10_000)))
  }

  #start(name: Part, args: readonly string[]): Child {
    const child = new Child({ name, file: join(this.#parts, `${name}/main.js`), args, env: { MURMURATION_TRAINER_TOKEN: TOKEN }, logFile: join(this.folder, `${name}.log`) })
    this.#children.push(child)
    return child
  }
}

export const test = base.extend<{ readonly bench: Bench }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads from the pattern which fixtures are wanted: none.
  bench: async ({}, use, info) => {
    const bench = await Bench.open(info.outputPath('bench'))
    await use(bench)
    await bench.stop()
  }
})

/** @returns how the trainer ended; throws when it does not in time, with what it last said */
export function ended({ exited, logFile }: Child): Promise<Exit> {
  return inTime(exited, () => `the end of a trainer, which said:\n${readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-8).map(line => line.slice(0, 200)).join('\n')}`)
}

export function reached(version: number) {
  return ({ event, version: published }: { readonly event: string; readonly [field: string]: unknown }) => event === 'update' && Number(published) >= version
}
