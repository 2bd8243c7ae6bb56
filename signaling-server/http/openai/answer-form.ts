/** The two forms of an answer, whole and in parts. Token ids are given as vLLM gives them: `token_ids`, `prompt_token_ids`. */
import { encodeUtf8 } from '#shared/model/utf8.ts'
import type { AnswerPart } from './answer.ts'
import type { AnswerRequest } from './answer-request.ts'

export interface AnswerForm {
  /** @param parts whole answers, in order */
  whole(request: AnswerRequest, parts: readonly AnswerPart[], usage: Usage): object
  /** @param first nothing of this answer was sent before */
  part(request: AnswerRequest, index: number, part: AnswerPart, first: boolean): object
  /** The last event of a stream, where it was asked for. */
  usage(request: AnswerRequest, usage: Usage): object
}

export interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

/** @param completionTokens of all answers; a prompt counts once, however many answers it gets */
export function usageOf({ prompts }: AnswerRequest, completionTokens: number): Usage {
  const promptTokens = prompts.reduce((total, prompt) => total + prompt.length, 0)
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens }
}

export const completionForm: AnswerForm = {
  whole: (request, parts, usage) => ({ ...head(request, 'text_completion'), choices: parts.map((part, index) => completionChoice(request, index, part, true)), usage }),
  part: (request, index, part, first) => ({ ...head(request, 'text_completion'), choices: [completionChoice(request, index, part, first)], ...noUsage(request) }),
  usage: (request, usage) => ({ ...head(request, 'text_completion'), choices: [], usage })
}

export const chatForm: AnswerForm = {
  whole: (request, parts, usage) => ({
    ...head(request, 'chat.completion'),
    choices: parts.map((part, index) => ({ index, message: { role: 'assistant', content: part.text, refusal: null }, ...chatEnd(request, part) })),
    usage,
    ...(request.tokenIds && { prompt_token_ids: request.prompts[0] })
  }),
  part: (request, index, part, first) => ({
    ...head(request, 'chat.completion.chunk'),
    choices: [{ index, delta: { ...(first && { role: 'assistant' }), content: part.text }, ...chatEnd(request, part) }],
    ...noUsage(request),
    ...(request.tokenIds && first && { prompt_token_ids: request.prompts[0] })
  }),
  usage: (request, usage) => ({ ...head(request, 'chat.completion.chunk'), choices: [], usage })
}

function head({ id, created, model }: AnswerRequest, object: string): object {
  return { id, object, created, model }
}

/** Streams whose last event has the usage say in all others that they have none. */
function noUsage({ includeUsage }: AnswerRequest): object {
  return includeUsage ? { usage: null } : {}
}

function completionChoice(request: AnswerRequest, index: number, part: AnswerPart, first: boolean): object {
  return {
    index,
    text: part.text,
    logprobs: request.logProbs ? { tokens: part.tokens.map(token => tokenText(request, token)), token_logprobs: part.logProbs, top_logprobs: null, text_offset: part.offsets } : null,
    finish_reason: part.finish,
    ...(request.tokenIds && { token_ids: part.tokens, ...(first && { prompt_token_ids: request.prompts[Math.floor(index / request.n)] }) })
  }
}

function chatEnd(request: AnswerRequest, part: AnswerPart): object {
  const content = part.tokens.map((token, place) => {
    const text = tokenText(request, token)
    return { token: text, logprob: part.logProbs[place], bytes: text.includes('\uFFFD') ? null : [...encodeUtf8(text)], top_logprobs: [] }
  })
  return { logprobs: request.logProbs ? { content, refusal: null } : null, finish_reason: part.finish, ...(request.tokenIds && { token_ids: part.tokens }) }
}

/** Of one token alone; that of half a character is U+FFFD. */
function tokenText({ tokenizer }: AnswerRequest, token: number): string {
  return tokenizer?.decode([token]) ?? `token_id:${token}`
}
