/** The models that ship with the project, as the warm start makes them. */
import { environmentNamed } from '#shared/environments/environments.ts'
import { BOS_TOKEN_ID, CHARACTER_VOCABULARY_SIZE, characterTokenizer, EOS_TOKEN_ID, PAD_TOKEN_ID } from '#shared/model/character-tokenizer.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import { loadTokenizer } from '#shared/model/tokenizer.ts'
import type { WarmStartSettings, WarmStartTask } from './supervised-warm-start.ts'

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

/** More than four times the parameters of TINY_CONFIG: what a small policy is held beside after it has learnt. */
const LARGE_CONFIG: DecoderConfig = { ...TINY_CONFIG, hiddenSize: 256, intermediateSize: 800, heads: 8, kvHeads: 4 }

/** Enough to know the format and most letters, too little to solve it: success comes suddenly, so a little more would be too much. */
const REVERSE_SHARE = 0.053

function tinyTasks(): WarmStartTask[] {
  return [
    { environment: environmentNamed('arithmetic'), share: 1 - REVERSE_SHARE, maxTokens: 4, untilSuccess: 0.4 },
    { environment: environmentNamed('reverse'), share: REVERSE_SHARE, maxTokens: 11 }
  ]
}

/**
 * Boards of Sokoban, worked countdown and hands of hold'em as in the run files; two turns are all that a solver needs for most boards of one box.
 * Hold'em and countdown need no measure of when to stop: the beginner who is imitated loses, and the careless one gives up, however well they are imitated.
 */
function allTasks(): WarmStartTask[] {
  return [
    { environment: environmentNamed('arithmetic'), share: 0.28, maxTokens: 4, untilSuccess: 0.48 },
    { environment: environmentNamed('countdown', { scratchpad: true }), share: 0.42, maxTokens: 128 },
    { environment: environmentNamed('sokoban-1', { minPushes: 2, turns: 2 }), share: 0.15, maxTokens: 9, turns: 2, untilSuccess: 0.24 },
    { environment: environmentNamed('sokoban-2', { turns: 4 }), share: 0.06, maxTokens: 9, turns: 4, untilSuccess: 0.05 },
    { environment: environmentNamed('holdem'), share: 0.06, maxTokens: 2, turns: 6 },
    { environment: environmentNamed('reverse'), share: 0.03, maxTokens: 11, untilSuccess: 0.02 }
  ]
}

const COMMON = {
  batch: 128,
  optimizer: { learningRate: 2e-3, warmupSteps: 20, decaySteps: 0, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1 },
  maxSteps: 3_000
}

export interface BuiltInModel {
  readonly config: DecoderConfig
  readonly tasks: () => WarmStartTask[]
  readonly measureEvery: number
  readonly heldOut: number
}

export const BUILT_IN_MODELS = {
  'murmuration-tiny': { config: TINY_CONFIG, tasks: tinyTasks, measureEvery: 5, heldOut: 512 },
  'murmuration-tasks': { config: TINY_CONFIG, tasks: allTasks, measureEvery: 20, heldOut: 256 },
  'murmuration-tasks-large': { config: LARGE_CONFIG, tasks: allTasks, measureEvery: 20, heldOut: 256 }
} as const satisfies Readonly<Record<string, BuiltInModel>>

export type BuiltInModelName = keyof typeof BUILT_IN_MODELS

export function warmStartSettings(name: BuiltInModelName, seed: number): WarmStartSettings {
  const { config, tasks, measureEvery, heldOut } = BUILT_IN_MODELS[name]
  return { ...COMMON, config, tokenizer: loadTokenizer(characterTokenizer().tokenizerJson, 'tokenizer.json'), seed, tasks: tasks(), measureEvery, heldOut }
}
