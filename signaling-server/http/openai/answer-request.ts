/** Both kinds of request, once everything about them is known to be in order: what is asked of the port, and in which form it is answered. */
import { randomBytes } from 'node:crypto'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import { encodeUtf8 } from '#shared/model/utf8.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { Tokenizer } from '#shared/model/tokenizer.ts'
import type { SequenceToServe } from '../../serving-port.ts'
import { fault, type ApiFault } from './api-fault.ts'
import { modelName, type NamedModel } from './model-names.ts'
import { MOST_ANSWERS, type ChatRequest, type CompletionRequest } from './request-schema.ts'

export interface AnswerRequest {
  readonly kind: 'answer'
  readonly id: string
  /** The version's full name, whatever the caller called it. */
  readonly model: string
  /** Unix time in seconds. */
  readonly created: number
  readonly prompts: readonly (readonly number[])[]
  /** Answers to each prompt. */
  readonly n: number
  /** The answers of the first prompt come first. */
  readonly sequences: readonly SequenceToServe[]
  readonly eosTokenIds: readonly number[]
  readonly tokenizer: Tokenizer | undefined
  readonly stops: readonly string[]
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly logProbs: boolean
  readonly tokenIds: boolean
}

interface Answering {
  readonly model: NamedModel
  readonly prompts: readonly (readonly number[])[]
  readonly tokenizer: Tokenizer | undefined
  /** When the caller names no limit; null: as many as fit. */
  readonly defaultMaxTokens: number | null
  /** Prefix of the id. */
  readonly prefix: 'cmpl' | 'chatcmpl'
  readonly now: number
}

/** Below this the likeliest token is taken: it would be drawn anyway. */
const GREEDY_BELOW = 0.01

export function planAnswer(request: CompletionRequest | ChatRequest, { model, prompts, tokenizer, defaultMaxTokens, prefix, now }: Answering): AnswerRequest | ApiFault {
  const { run, version } = model
  const { contextLength, eosTokenIds } = run.config
  const stops = typeof request.stop === 'string' ? [request.stop] : request.stop
  if (prompts.length * request.n > MOST_ANSWERS) return fault('malformed', `${prompts.length} prompts with ${request.n} answers each are more than ${MOST_ANSWERS}`, 'n')
  if (stops.length > 0 && tokenizer === undefined) return fault('no_tokenizer', `the trainer of ${run.run} gave no tokenizer that this server can use: stop strings are not found`, 'stop')
  if (request.stream_options !== undefined && !request.stream) return fault('malformed', 'stream_options belongs to stream: true', 'stream_options')
  const id = `${prefix}-${randomBytes(12).toString('hex')}`
  const sequences: SequenceToServe[] = []
  for (const [index, prompt] of prompts.entries()) {
    const room = Math.min(contextLength - prompt.length, LIMITS.tokensPerRollout)
    const asked = ('max_completion_tokens' in request ? request.max_completion_tokens : undefined) ?? request.max_tokens
    if (room < 1 || (asked ?? 1) > room) {
      return fault('context_length_exceeded', `the model's context has ${contextLength} tokens: ${prompt.length} of the prompt and ${asked ?? 'at least 1'} of the answer do not fit`, room < 1 ? (prefix === 'cmpl' ? 'prompt' : 'messages') : 'max_tokens')
    }
    const maxTokens = asked ?? Math.min(defaultMaxTokens ?? room, room)
    for (let answer = 0; answer < request.n; answer++) {
      const key = `${id}/${sequences.length}`
      const greedy = request.temperature < GREEDY_BELOW
      const seed = greedy ? null : request.seed === undefined ? randomBytes(32).toString('hex') : answerSeed(request.seed, index, answer)
      sequences.push({ key, run: run.run, version, prompt: [...prompt], maxTokens, seed, temperature: greedy ? 1 : request.temperature })
    }
  }
  return {
    kind: 'answer',
    id,
    model: modelName(model),
    created: Math.floor(now / 1000),
    prompts,
    n: request.n,
    sequences,
    eosTokenIds,
    tokenizer,
    stops,
    stream: request.stream,
    includeUsage: request.stream_options?.include_usage ?? false,
    logProbs: request.logprobs !== undefined && request.logprobs !== false,
    tokenIds: request.return_token_ids || tokenizer === undefined
  }
}

/** 64 hexadecimal digits; the same for the same seed and place, another for every answer of a request. */
export function answerSeed(seed: number, prompt: number, answer: number): string {
  return sha256Hex(encodeUtf8(`answer/${seed}/${prompt}/${answer}`))
}
