/**
 * Makes a model of public/models:
 *
 *     npm run model:warm-start -- [--model murmuration-tiny] [--seed N] [--out DIRECTORY] [--threads N]
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { characterTokenizer } from '#shared/model/character-tokenizer.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import { writeSafetensors } from '#shared/model/safetensors.ts'
import { parameterCount } from '#shared/model/tensor-names.ts'
import { BUILT_IN_MODELS, warmStartSettings, type BuiltInModelName } from './built-in-models.ts'
import { warmStart, type WarmStartProgress, type WarmStartSettings } from './supervised-warm-start.ts'

const NAMES = Object.keys(BUILT_IN_MODELS) as BuiltInModelName[]
const USAGE = `usage: npm run model:warm-start -- [--model ${NAMES.join('|')}] [--seed N] [--out DIRECTORY] [--threads N]`

function modelCard(name: BuiltInModelName, settings: WarmStartSettings, last: WarmStartProgress, weights: Uint8Array): string {
  const { config, batch, seed, tasks } = settings
  const goals = tasks.flatMap(({ environment, untilSuccess }) => (untilSuccess === undefined ? [] : [`${environment.name} ${100 * untilSuccess} %`]))
  const measured = last.measured.map(({ task, success, reward }) => `| ${task} | ${(100 * success).toFixed(1)} % | ${reward.toFixed(3)} |`)
  return `# ${name}

A small Qwen3-architecture decoder that knows just enough for reinforcement learning to take over. Made by \`npm run model:warm-start -- --model ${name} --seed ${seed}\`;
the same seed gives the same file on the same machine.

- ${parameterCount(config).toLocaleString('en')} parameters: ${config.layers} layers, width ${config.hiddenSize}, ${config.heads} heads, ${config.kvHeads} of them for keys and values; float32; one token per character; context ${config.contextLength}.
- Trained on ${(last.step * batch).toLocaleString('en')} demonstrations from this repository's own task generators, ${last.step} steps of ${batch}, until held-out greedy success
  first passed: ${goals.join(', ')}. It was left weak on purpose.
- SHA-256 of \`model.safetensors\`: \`${createHash('sha256').update(weights).digest('hex')}\`

| task | held-out greedy success | graded reward |
|---|---|---|
${measured.join('\n')}
`
}

function parse() {
  const { values } = parseArgs({ options: { model: { type: 'string', default: 'murmuration-tiny' }, seed: { type: 'string', default: '1' }, out: { type: 'string' }, threads: { type: 'string', default: '2' } } })
  const name = NAMES.find(known => known === values.model)
  if (name === undefined) throw new RangeError(`--model ${values.model}: use one of ${NAMES.join(', ')}`)
  const whole = (flag: 'seed' | 'threads', least: number): number => {
    const value = Number(values[flag])
    if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`--${flag} must be a whole number of at least ${least}, not "${values[flag]}"`)
    return value
  }
  return { name, seed: whole('seed', 0), threads: whole('threads', 1), out: values.out ?? fileURLToPath(new URL(`../public/models/${name}`, import.meta.url)) }
}

async function main(): Promise<number> {
  const { name, seed, threads, out } = parse()
  const settings = { ...warmStartSettings(name, seed), threads }
  const { weights, last } = await warmStart(settings, ({ step, loss, measured }) => {
    console.log(`step ${step} · loss ${loss.toFixed(3)} · ${measured.map(({ task, success, reward }) => `${task} ${(100 * success).toFixed(1)} % (${reward.toFixed(3)})`).join(' · ')}`)
  })
  const tensors = writeSafetensors(weights)
  const { tokenizerJson, tokenizerConfigJson } = characterTokenizer()
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
  await mkdir(out, { recursive: true })
  await Promise.all([
    writeFile(join(out, 'config.json'), json(toHuggingFaceConfig(settings.config))),
    writeFile(join(out, 'tokenizer.json'), json(tokenizerJson)),
    writeFile(join(out, 'tokenizer_config.json'), json(tokenizerConfigJson)),
    writeFile(join(out, 'model.safetensors'), tensors),
    writeFile(join(out, 'README.md'), modelCard(name, settings, last, tensors))
  ])
  console.log(`wrote ${out}`)
  return 0
}

process.exitCode = await main().catch((error: unknown) => {
  const ofArguments = error instanceof RangeError || (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  if (!ofArguments) throw error
  console.error(`${(error as Error).message}\n${USAGE}`)
  return 2
})
