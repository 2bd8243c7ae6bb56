/** A model behind an OpenAI-compatible endpoint in the other seat: `POST {url}/chat/completions`, one question a decision. */
import { ACTION_LETTERS } from '#shared/environments/holdem/action-text.ts'
import { cardText } from '#shared/environments/holdem/cards.ts'
import type { Action } from '#shared/environments/holdem/hand-state.ts'
import { BUTTON } from '#shared/environments/holdem/seat.ts'
import type { SeatView } from '#shared/environments/holdem/seat-view.ts'
import { decode, describeMalformed, v } from '#shared/protocol/schema.ts'
import { UserError } from '../../user-error.ts'
import { actionSaid, type AskedOpponent, type OpponentDecision } from './asked-opponent.ts'

export interface Endpoint {
  /** Up to `/chat/completions`, such as `http://127.0.0.1:8080/v1`. */
  readonly url: string
  readonly model: string
  readonly apiKey?: string
}

const AT_ONCE = 8
const PATIENCE_MS = 120_000
const MOST_BYTES = 65_536
/** A letter and the quotes or words that some put around it. */
const ANSWER_TOKENS = 16

const RULES = `You play heads-up no-limit Texas hold'em. Answer with your action and nothing else: ${Object.entries(ACTION_LETTERS).map(([letter, action]) => `${letter} (${action})`).join(', ')}, or r and a number, such as r12, for a bet or raise to so many chips in all on this street.`

/** What is needed of an answer; endpoints add to it as they like. */
const answerSchema = v.looseObject({ choices: v.pipe(v.array(v.looseObject({ message: v.looseObject({ content: v.string() }) })), v.minLength(1)) })

export class EndpointOpponent implements AskedOpponent {
  readonly #endpoint: Endpoint

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  /** @throws {UserError} one line about the endpoint */
  async decide(decisions: readonly OpponentDecision[]): Promise<Action[]> {
    const actions: Action[] = []
    const waiting = decisions.entries()
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const [index, { view }] of waiting) actions[index] = actionSaid(letterOf(await this.#ask(situation(view))), view)
      })
    )
    return actions
  }

  async #ask(question: string): Promise<string> {
    const { url, model, apiKey } = this.#endpoint
    const body = { model, messages: [{ role: 'system', content: RULES }, { role: 'user', content: question }], max_tokens: ANSWER_TOKENS, temperature: 0 }
    const headers = { 'Content-Type': 'application/json', ...(apiKey !== undefined && { Authorization: `Bearer ${apiKey}` }) }
    let text: string
    try {
      const response = await fetch(`${url.replace(/\/$/, '')}/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS) })
      text = await textAtMost(response, MOST_BYTES)
      if (!response.ok) throw new UserError(`${url}: the opponent answered with status ${response.status}: ${text.slice(0, 200).replaceAll(/\s+/g, ' ')}`)
    } catch (error) {
      if (error instanceof TypeError || error instanceof DOMException) throw new UserError(`${url}: the opponent does not answer: ${describe(error)}`)
      throw error
    }
    return this.#contentOf(text)
  }

  #contentOf(text: string): string {
    let raw: unknown
    try {
      raw = JSON.parse(text)
    } catch {
      throw new UserError(`${this.#endpoint.url}: the opponent's answer is not JSON`)
    }
    const answer = decode(answerSchema, raw)
    if (answer.kind === 'malformed') throw new UserError(`${this.#endpoint.url}: ${describeMalformed("the opponent's answer", answer)}`)
    return answer.value.choices[0]!.message.content
  }
}

/** @throws {TypeError} of a body that is longer */
async function textAtMost({ body }: Response, most: number): Promise<string> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body ?? []) {
    length += part.byteLength
    if (length > most) throw new TypeError(`it sends more than ${most} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function describe(error: TypeError | DOMException): string {
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message
}

/** What is left of an answer without the quotes, asterisks and full stops that models put around a letter. */
function letterOf(content: string): string {
  return content.trim().toLowerCase().replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
}

function situation({ seat, hole, board, pot, stack, otherStack, bigBlind, legal, actions, street }: SeatView): string {
  const cards = (shown: readonly (typeof hole)[number][]): string => shown.map(cardText).join(' ')
  const told = actions.map(played => `${played.street}: ${played.seat === seat ? 'you' : 'they'} ${played.action.kind}${played.action.kind === 'raise' ? ` to ${played.action.to}` : ''}`)
  return [
    `Your cards: ${cards(hole)}. You are ${seat === BUTTON ? 'on the button' : 'the big blind'}. Blinds ${Math.floor(bigBlind / 2)} and ${bigBlind}.`,
    `Street: ${street}. Board: ${board.length === 0 ? 'none yet' : cards(board)}.`,
    `So far: ${told.length === 0 ? 'nobody has acted' : told.join('; ')}.`,
    `Pot ${pot}, to call ${legal.call}, your stack ${stack}, theirs ${otherStack}.${legal.raise === undefined ? ' No raise is allowed.' : ` A raise is to ${legal.raise.min} at least and ${legal.raise.max} at most.`}`
  ].join('\n')
}
