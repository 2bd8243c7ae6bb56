/** The page as a client of the server's API, like any other program. */
import { decode, v } from '#shared/protocol/schema.ts'
import { layerRange } from '#shared/protocol/stage-messages.ts'
import { MISSING_REASONS } from '#shared/scheduling/missing-layers.ts'
import type { AnswerPart, ApiRefusal } from './answer-state.ts'
import { eventStreamReader } from './event-stream.ts'

export interface Question {
  readonly model: string
  readonly prompt: string
  readonly temperature: number
  readonly maxTokens: number
  /** null: another one each time. */
  readonly seed: number | null
}

/** `root`: the version that the name stands for. */
const model = v.object({ id: v.string(), root: v.string(), max_model_len: v.number() })
export type ModelName = v.InferOutput<typeof model>
const modelList = v.object({ data: v.array(model) })

const refusalBody = v.object({
  error: v.object({ code: v.nullable(v.string()), message: v.string(), missing: v.optional(v.array(v.object({ layers: layerRange, reason: v.picklist(MISSING_REASONS) })), []) })
})
const chunk = v.object({
  id: v.string(),
  model: v.string(),
  choices: v.array(
    v.object({
      text: v.string(),
      finish_reason: v.nullable(v.picklist(['stop', 'length'])),
      logprobs: v.object({ token_logprobs: v.array(v.number()), text_offset: v.array(v.number()) })
    })
  )
})

export type Models = { readonly kind: 'models'; readonly models: readonly ModelName[] } | { readonly kind: 'refused'; readonly refusal: ApiRefusal } | { readonly kind: 'unreachable' }

export async function fetchModels(key: string, signal: AbortSignal): Promise<Models> {
  try {
    const response = await fetch('/v1/models', { headers: authorization(key), signal })
    if (!response.ok) return { kind: 'refused', refusal: await refusalOf(response) }
    const decoded = decode(modelList, await response.json())
    return decoded.kind === 'ok' ? { kind: 'models', models: decoded.value.data } : { kind: 'unreachable' }
  } catch {
    return { kind: 'unreachable' }
  }
}

export interface AnswerListener {
  parts(parts: readonly AnswerPart[]): void
  refused(refusal: ApiRefusal): void
  /** Nothing follows. */
  over(how: 'whole' | 'cut_off' | 'stopped'): void
}

/** Asks, and tells what comes until it is over or `signal` stops it. Never throws. */
export async function ask({ model, prompt, temperature, maxTokens, seed }: Question, key: string, signal: AbortSignal, listener: AnswerListener): Promise<void> {
  try {
    const body = JSON.stringify({ model, prompt, temperature, max_tokens: maxTokens, seed, stream: true, logprobs: 1 })
    const response = await fetch('/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json', ...authorization(key) }, body, signal })
    if (!response.ok || response.body === null) {
      listener.refused(await refusalOf(response))
      listener.over('whole')
      return
    }
    const read = eventStreamReader()
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) tell(read(piece), listener)
    listener.over('whole')
  } catch {
    listener.over(signal.aborted ? 'stopped' : 'cut_off')
  }
}

function tell(events: readonly string[], listener: AnswerListener): void {
  const parts: AnswerPart[] = []
  for (const data of events) {
    if (data === '[DONE]') continue
    const json: unknown = JSON.parse(data)
    const refused = decode(refusalBody, json)
    if (refused.kind === 'ok') listener.refused(apiRefusal(refused.value))
    const decoded = decode(chunk, json)
    if (decoded.kind === 'malformed') continue
    const { id, model, choices } = decoded.value
    for (const { text, finish_reason, logprobs } of choices) {
      parts.push({ id, model, text, finish: finish_reason, tokens: logprobs.token_logprobs.map((logProb, index) => ({ logProb, offset: logprobs.text_offset[index] ?? 0 })) })
    }
  }
  if (parts.length > 0) listener.parts(parts)
}

async function refusalOf(response: Response): Promise<ApiRefusal> {
  const text = await response.text()
  try {
    const decoded = decode(refusalBody, JSON.parse(text))
    if (decoded.kind === 'ok') return apiRefusal(decoded.value)
  } catch {
    // Not of the API: a proxy's page, for example.
  }
  return { code: `http_${response.status}`, message: `${response.status} ${response.statusText}`, missing: [] }
}

function apiRefusal({ error }: v.InferOutput<typeof refusalBody>): ApiRefusal {
  return { code: error.code ?? 'unknown', message: error.message, missing: error.missing }
}

function authorization(key: string): Record<string, string> {
  return key === '' ? {} : { authorization: `Bearer ${key}` }
}
