/** What may be asked. A key with the value null counts as absent, as in OpenAI's own API; an unknown key is refused by name. */
import { finite, tokenId } from '#shared/protocol/identifiers.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { decode, v } from '#shared/protocol/schema.ts'
import { fault, type ApiFault } from './api-fault.ts'

/** Answers to one request: prompts times `n`. */
export const MOST_ANSWERS = 64
const MOST_STOPS = 4
const MOST_MESSAGES = 256

const text = v.pipe(v.string(), v.maxLength(LIMITS.tokensPerRollout * 16))
const tokens = v.pipe(v.array(tokenId), v.minLength(1), v.maxLength(LIMITS.tokensPerRollout))
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const mostTokens = v.optional(v.pipe(positive, v.maxValue(LIMITS.tokensPerRollout)))
const stop = v.pipe(v.string(), v.minLength(1), v.maxLength(200), v.regex(/^\P{Surrogate}*$/u, 'text without half characters'))

/** Other values than these would change the answer, and are not supported. */
const NEUTRAL = {
  top_p: v.optional(v.literal(1)),
  top_k: v.optional(v.picklist([-1, 0])),
  min_p: v.optional(v.literal(0)),
  presence_penalty: v.optional(v.literal(0)),
  frequency_penalty: v.optional(v.literal(0)),
  repetition_penalty: v.optional(v.literal(1)),
  logit_bias: v.optional(v.strictObject({}))
} as const

const sampling = {
  model: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  max_tokens: mostTokens,
  n: v.optional(v.pipe(positive, v.maxValue(MOST_ANSWERS)), 1),
  temperature: v.optional(v.pipe(finite, v.minValue(0), v.maxValue(2)), 1),
  seed: v.optional(v.pipe(v.number(), v.safeInteger())),
  stop: v.optional(v.union([stop, v.pipe(v.array(stop), v.maxLength(MOST_STOPS))]), []),
  stream: v.optional(v.boolean(), false),
  stream_options: v.optional(v.strictObject({ include_usage: v.optional(v.boolean(), false) })),
  return_token_ids: v.optional(v.boolean(), false),
  /** Taken and not used. */
  user: v.optional(v.string()),
  ...NEUTRAL
} as const

const COMPLETION_ONLY_NEUTRAL = { echo: v.optional(v.literal(false)), best_of: v.optional(v.literal(1)), suffix: v.optional(v.literal('')) } as const
export const completionRequest = v.strictObject({
  ...sampling,
  prompt: v.union([text, tokens, v.pipe(v.array(v.union([text, tokens])), v.minLength(1), v.maxLength(MOST_ANSWERS))]),
  /** Of the drawn tokens; alternatives to them are not kept, so more than 1 is refused. */
  logprobs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(1))),
  ...COMPLETION_ONLY_NEUTRAL
})
export type CompletionRequest = v.InferOutput<typeof completionRequest>

const message = v.strictObject({
  role: v.picklist(['system', 'developer', 'user', 'assistant']),
  content: v.union([text, v.pipe(v.array(v.strictObject({ type: v.literal('text'), text })), v.maxLength(MOST_MESSAGES))]),
  name: v.optional(v.string())
})
const CHAT_ONLY_NEUTRAL = { top_logprobs: v.optional(v.literal(0)), response_format: v.optional(v.strictObject({ type: v.literal('text') })) } as const
export const chatRequest = v.strictObject({
  ...sampling,
  messages: v.pipe(v.array(message), v.minLength(1), v.maxLength(MOST_MESSAGES)),
  max_completion_tokens: mostTokens,
  logprobs: v.optional(v.boolean(), false),
  ...CHAT_ONLY_NEUTRAL
})
export type ChatRequest = v.InferOutput<typeof chatRequest>

const ONLY_NEUTRAL = new Set(Object.keys({ ...NEUTRAL, ...COMPLETION_ONLY_NEUTRAL, ...CHAT_ONLY_NEUTRAL, logprobs: null }))

/** @param body what the JSON of the request's body says; undefined when there was none */
export function readRequest<const Schema extends v.GenericSchema>(schema: Schema, body: unknown): { readonly kind: 'ok'; readonly value: v.InferOutput<Schema> } | ApiFault {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return fault('malformed', 'the body must be a JSON object, with Content-Type: application/json')
  const decoded = decode(schema, Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null)))
  if (decoded.kind === 'ok') return decoded
  const { path, expected } = decoded
  const [param = ''] = path.split('.')
  if (expected === 'never') return fault('unsupported_parameter', `${path} is not supported`, path)
  if (ONLY_NEUTRAL.has(param)) return fault('unsupported_value', `${path} must be ${expected}: other values are not supported`, path)
  return fault('malformed', `${path} must be ${expected}`, path)
}
