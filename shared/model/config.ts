import { v } from '../protocol/schema.ts'
import { ModelFileError } from './model-file-error.ts'

export type Architecture = 'qwen3' | 'llama'

/** The sizes and constants of a decoder-only transformer, as the graph builders need them. */
export interface DecoderConfig {
  readonly architecture: Architecture
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layers: number
  readonly heads: number
  /** Heads of keys and values; divides `heads` (grouped-query attention, Ainslie et al. 2023). */
  readonly kvHeads: number
  readonly headDim: number
  readonly rmsNormEpsilon: number
  readonly ropeTheta: number
  /** The head multiplies by the embedding matrix; there is no `lm_head.weight`. */
  readonly tiedEmbeddings: boolean
  /** Longest sequence in tokens. */
  readonly contextLength: number
  /** RMS normalisation of every query and key head before the rotation (Qwen3). */
  readonly qkNorm: boolean
  readonly bosTokenId: number
  readonly padTokenId: number | undefined
  readonly eosTokenIds: readonly number[]
}

const size = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 24))
const tokenId = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 24))
const positive = v.pipe(v.number(), v.gtValue(0))

const ropeSchema = v.looseObject({
  rope_type: v.optional(v.string()),
  type: v.optional(v.string()),
  rope_theta: v.optional(positive),
  partial_rotary_factor: v.optional(v.number())
})

const fileSchema = v.looseObject({
  model_type: v.string(),
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: v.nullish(size),
  head_dim: v.nullish(size),
  max_position_embeddings: size,
  rms_norm_eps: positive,
  rope_theta: v.nullish(positive),
  rope_parameters: v.nullish(ropeSchema),
  rope_scaling: v.nullish(ropeSchema),
  hidden_act: v.optional(v.string(), 'silu'),
  attention_bias: v.optional(v.boolean(), false),
  mlp_bias: v.optional(v.boolean(), false),
  use_sliding_window: v.nullish(v.boolean()),
  layer_types: v.nullish(v.array(v.string())),
  tie_word_embeddings: v.optional(v.boolean(), false),
  bos_token_id: v.nullish(tokenId),
  pad_token_id: v.nullish(tokenId),
  eos_token_id: v.nullish(v.union([tokenId, v.pipe(v.array(tokenId), v.minLength(1))]))
})

type ConfigFile = v.InferOutput<typeof fileSchema>

const DEFAULT_ROPE_THETA = 10_000
/** GroupQueryAttention with rotation refuses other head sizes. */
const HEAD_DIM_MULTIPLE = 16

/**
 * Reads a Hugging Face `config.json` of a Qwen3 or Llama decoder. Accepts `rope_theta` (transformers 4) and
 * `rope_parameters` (transformers 5).
 * @param json the parsed file
 * @param where names the file in errors
 * @throws {ModelFileError} one line: what the file asks for that we do not compute, or which key is missing or wrong
 */
export function parseDecoderConfig(json: unknown, where: string): DecoderConfig {
  const result = v.safeParse(fileSchema, json)
  if (!result.success) {
    const [issue] = result.issues
    throw new ModelFileError(where, `${v.getDotPath(issue) ?? 'the file'} is missing or wrong (${issue.message}); expected a Hugging Face Qwen3 or Llama config.json`)
  }
  const file = result.output
  const architecture = file.model_type
  if (architecture !== 'qwen3' && architecture !== 'llama') {
    throw new ModelFileError(where, `model_type "${architecture}" is not supported; use a qwen3 or llama model`)
  }
  const unsupported = firstUnsupported(file)
  if (unsupported !== undefined) throw new ModelFileError(where, `${unsupported} is not supported; use a model without it`)
  return checked(toConfig(file, architecture, where), where)
}

function toConfig(file: ConfigFile, architecture: Architecture, where: string): DecoderConfig {
  if (file.head_dim == null && file.hidden_size % file.num_attention_heads !== 0) {
    throw new ModelFileError(where, 'hidden_size is not a multiple of num_attention_heads and head_dim is missing; add head_dim')
  }
  if (file.bos_token_id == null) throw new ModelFileError(where, 'bos_token_id is missing; add the id that starts every prompt')
  if (file.eos_token_id == null) throw new ModelFileError(where, 'eos_token_id is missing; add the id that ends an answer')
  return {
    architecture,
    vocabSize: file.vocab_size,
    hiddenSize: file.hidden_size,
    intermediateSize: file.intermediate_size,
    layers: file.num_hidden_layers,
    heads: file.num_attention_heads,
    kvHeads: file.num_key_value_heads ?? file.num_attention_heads,
    headDim: file.head_dim ?? file.hidden_size / file.num_attention_heads,
    rmsNormEpsilon: file.rms_norm_eps,
    ropeTheta: file.rope_parameters?.rope_theta ?? file.rope_theta ?? DEFAULT_ROPE_THETA,
    tiedEmbeddings: file.tie_word_embeddings,
    contextLength: file.max_position_embeddings,
    qkNorm: architecture === 'qwen3',
    bosTokenId: file.bos_token_id,
    padTokenId: file.pad_token_id ?? undefined,
    eosTokenIds: typeof file.eos_token_id === 'number' ? [file.eos_token_id] : file.eos_token_id
  }
}

function firstUnsupported(file: ConfigFile): string | undefined {
  for (const rope of [file.rope_scaling, file.rope_parameters]) {
    const kind = rope?.rope_type ?? rope?.type ?? 'default'
    if (kind !== 'default') return `rope scaling "${kind}"`
    if ((rope?.partial_rotary_factor ?? 1) !== 1) return 'a partial rotary factor'
  }
  if (file.hidden_act !== 'silu') return `hidden_act "${file.hidden_act}"`
  if (file.attention_bias) return 'attention_bias'
  if (file.mlp_bias) return 'mlp_bias'
  if (file.use_sliding_window === true || file.layer_types?.some(type => type !== 'full_attention') === true) return 'sliding-window attention'
  return undefined
}

function checked(config: DecoderConfig, where: string): DecoderConfig {
  if (config.heads % config.kvHeads !== 0) throw new ModelFileError(where, `num_attention_heads ${config.heads} is not a multiple of num_key_value_heads ${config.kvHeads}`)
  if (config.headDim % HEAD_DIM_MULTIPLE !== 0) throw new ModelFileError(where, `head_dim ${config.headDim} is not a multiple of ${HEAD_DIM_MULTIPLE}, which onnxruntime's attention needs`)
  for (const id of [config.bosTokenId, ...config.eosTokenIds, config.padTokenId ?? 0]) {
    if (id >= config.vocabSize) throw new ModelFileError(where, `token id ${id} is outside the vocabulary of ${config.vocabSize}`)
  }
  return config
}

/** @returns the content of a `config.json` that transformers 4 and 5 and `parseDecoderConfig` read. */
export function toHuggingFaceConfig(config: DecoderConfig): Record<string, unknown> {
  return {
    architectures: [config.architecture === 'qwen3' ? 'Qwen3ForCausalLM' : 'LlamaForCausalLM'],
    model_type: config.architecture,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.contextLength,
    rms_norm_eps: config.rmsNormEpsilon,
    rope_theta: config.ropeTheta,
    rope_parameters: { rope_type: 'default', rope_theta: config.ropeTheta },
    hidden_act: 'silu',
    attention_bias: false,
    attention_dropout: 0,
    tie_word_embeddings: config.tiedEmbeddings,
    bos_token_id: config.bosTokenId,
    pad_token_id: config.padTokenId ?? null,
    eos_token_id: config.eosTokenIds.length === 1 ? config.eosTokenIds[0] : config.eosTokenIds,
    torch_dtype: 'float32'
  }
}
