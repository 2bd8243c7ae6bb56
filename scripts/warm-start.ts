/**
 * Makes public/models/murmuration-tiny:
 *
 *     npm run model:warm-start -- [--seed N] [--out DIRECTORY]
 */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { environmentNamed } from '#shared/environments/environments.ts'
import { BOS_TOKEN_ID, CHARACTER_VOCABULARY_SIZE, characterTokenizer, EOS_TOKEN_ID, PAD_TOKEN_ID } from '#shared/model/character-tokenizer.ts'
import { toHuggingFaceConfig, type DecoderConfig } from '#shared/model/config.ts'
import { writeSafetensors } from '#shared/model/safetensors.ts'
import { parameterCount } from '#shared/model/tensor-names.ts'
import { loadTokenizer } from '#shared/model/tokenizer.ts'
import { warmStart, type WarmStartProgress, type WarmStartSettings } from './supervised-warm-start.ts'

/** One vocabulary and 256 tokens of context leave room for longer tasks; the rest is the least that learns sums quickly. */
export const TINY_CONFIG: DecoderConfig = {
  architecture: 'qwen3',
  vocabSize: CHARACTER_VOCABULARY_SIZE,
  hiddenSize: 128,
  intermediateSize: 384,
  layers: 4,
  heads: 4,
  kvHeads: 2,
  headDim: 32,
  rmsNormEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedEmbeddings: false,
  contextLength: 256,
  qkNorm: true,
  bosTokenId: BOS_TOKEN_ID,
  padTokenId: PAD_TOKEN_ID,
  eosTokenIds: [EOS_TOKEN_ID]
}

/** Enough to know the format and most letters, too little to solve it: success comes suddenly, so a little more would be too much. */
const REVERSE_SHARE = 0.053

export function warmStartSettings(seed: number): WarmStartSettings {
  return {
    config: TINY_CONFIG,
    tokenizer: loadTokenizer(characterTokenizer().tokenizerJson, 'tokenizer.json'),
    seed,
    tasks: [
      { environment: environmentNamed('arithmetic'), share: 1 - REVERSE_SHARE, maxTokens: 4 },
      { environment: environmentNamed('reverse'), share: REVERSE_SHARE, maxTokens: 11 }
    ],
    batch: 128,
    optimizer: { learningRate: 2e-3, warmupSteps: 20, decaySteps: 0, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1 },
    untilSuccess: 0.4,
    measureEvery: 5,
    heldOut: 512,
    maxSteps: 3_000
  }
}

const USAGE = 'usage: npm run model:warm-start -- [--seed N] [--out DIRECTORY]'
const DEFAULT_OUT = fileURLToPath(new URL('../public/models/murmuration-tiny', import.meta.url))

function modelCard(settings: WarmStartSettings, last: WarmStartProgress, weights: Uint8Array): string {
  const { config, batch, seed, untilSuccess } = settings
  const measured = last.measured.map(({ task, success, reward }) => `| ${task} | ${(100 * success).toFixed(1)} % | ${reward.toFixed(3)} |`)
  return `# murmuration-tiny

A small Qwen3-architecture decoder that knows just enough for reinforcement learning to take over. Made by \`npm run model:warm-start -- --seed ${seed}\`;
the same seed gives the same file on the same machine.

- ${parameterCount(config).toLocaleString('en')} parameters: ${config.layers} layers, width ${config.hiddenSize}, ${config.heads} heads, ${config.kvHeads} of them for keys and values; float32; one token per character; context ${config.contextLength}.
- Trained on ${(last.step * batch).toLocaleString('en')} demonstrations from this repository's own task generators, ${last.step} steps of ${batch}, until held-out greedy success on arithmetic
  first passed ${100 * untilSuccess} %. It was left weak on purpose.
- SHA-256 of \`model.safetensors\`: \`${createHash('sha256').update(weights).digest('hex')}\`

| task | held-out greedy success | graded reward |
|---|---|---|
${measured.join('\n')}
`
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, out: { type: 'string', default: DEFAULT_OUT } } })
  const seed = Number(values.seed)
  if (!Number.isSafeInteger(seed) || seed < 0) {
    console.error(`--seed must be a whole number, not "${values.seed}"\n${USAGE}`)
    return 2
  }
  const settings = warmStartSettings(seed)
  const { weights, last } = await warmStart(settings, ({ step, loss, measured }) => {
    console.log(`step ${step} · loss ${loss.toFixed(3)} · ${measured.map(({ task, success }) => `${task} ${(100 * success).toFixed(1)} %`).join(' · ')}`)
  })
  const tensors = writeSafetensors(weights)
  const { tokenizerJson, tokenizerConfigJson } = characterTokenizer()
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
  await mkdir(values.out, { recursive: true })
  await Promise.all([
    writeFile(join(values.out, 'config.json'), json(toHuggingFaceConfig(settings.config))),
    writeFile(join(values.out, 'tokenizer.json'), json(tokenizerJson)),
    writeFile(join(values.out, 'tokenizer_config.json'), json(tokenizerConfigJson)),
    writeFile(join(values.out, 'model.safetensors'), tensors),
    writeFile(join(values.out, 'README.md'), modelCard(settings, last, tensors))
  ])
  console.log(`wrote ${values.out}`)
  return 0
}

process.exitCode = await main().catch((error: unknown) => {
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    console.error(`${error.message}\n${USAGE}`)
    return 2
  }
  throw error
})
