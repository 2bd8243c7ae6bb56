/** People, as far as a server can tell: each asks through the API, reads the answer as it comes, and asks again. */
import { setMaxListeners } from 'node:events'
import OpenAI from 'openai'
import type { ClientTimes } from './load-figures.ts'

export interface Questions {
  readonly model: string
  readonly maxTokens: number
}

export class ApiClients {
  readonly times: readonly ClientTimes[]
  /** One line for each request that failed, those that were aborted excepted. */
  readonly errors: string[] = []
  readonly #client: OpenAI
  readonly #questions: Questions
  readonly #leaving = new AbortController()
  readonly #loops: Promise<void>[]
  #measuring = false

  constructor(url: string, count: number, questions: Questions) {
    this.#client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
    this.#questions = questions
    setMaxListeners(0, this.#leaving.signal)
    this.times = Array.from({ length: count }, () => ({ tokens: 0, firstTokenMs: [], interTokenMs: [] }))
    this.#loops = this.times.map((times, client) => this.#askOnAndOn(times, client))
  }

  /** Tokens that come until `leave` count, and answers that begin and end meanwhile. */
  measure(): void {
    this.#measuring = true
  }

  /** Goes away in the middle of everything. */
  async leave(): Promise<void> {
    this.#measuring = false
    this.#leaving.abort()
    await Promise.all(this.#loops)
  }

  async #askOnAndOn(times: ClientTimes, client: number): Promise<void> {
    for (let question = 0; !this.#leaving.signal.aborted; question++) {
      try {
        await this.#ask(times, client, question)
      } catch (error) {
        if (this.#leaving.signal.aborted) return
        this.errors.push(describe(error))
        // Whoever is refused does not ask again in the same moment.
        await new Promise(resolve => setTimeout(resolve, 500))
      }
    }
  }

  async #ask(times: ClientTimes, client: number, question: number): Promise<void> {
    const { model, maxTokens } = this.#questions
    const prompt = `${10 + ((client * 7 + question) % 90)}+${10 + ((client + question * 13) % 90)}=`
    const asked = performance.now()
    const counts = this.#measuring
    let first: number | undefined
    let last = asked
    let following = 0
    const body: OpenAI.CompletionCreateParamsStreaming & { return_token_ids: boolean } = { model, prompt, max_tokens: maxTokens, seed: client * 1000 + question, stream: true, return_token_ids: true }
    const stream = await this.#client.completions.create(body, { signal: this.#leaving.signal })
    for await (const part of stream) {
      const { token_ids: tokens } = part.choices[0] as OpenAI.CompletionChoice & { token_ids: number[] }
      last = performance.now()
      if (this.#measuring) times.tokens += tokens.length
      if (first === undefined) first = last
      else following += tokens.length
    }
    if (first === undefined) throw new Error('an answer without a token')
    if (!counts || !this.#measuring) return
    times.firstTokenMs.push(first - asked)
    if (following > 0) times.interTokenMs.push((last - first) / following)
  }
}

/** With what is behind it: a client says of every broken connection the same. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message} ${describe(error.cause)}`
}
