/** Mail between this server and one other, in order and without gaps, from one hello to the end. */
import type { Logger } from 'pino'
import { createOrderedLink, numberMail, owesConfirmation, takeMail } from '#shared/cluster/ordered-link.ts'
import { encodeBody, encodeMail, type Envelope, type Mail, type MailBody } from './mail.ts'

export interface LinkParts {
  readonly self: string
  readonly other: string
  readonly leadership: string
  readonly session: string
  readonly send: (server: string, text: string) => Promise<void>
  readonly log: Logger
  /** Once: something was lost, or the other does not keep up. */
  readonly broken: (reason: string) => void
}

export class ServerLink {
  readonly #parts: LinkParts
  readonly #link = createOrderedLink()
  #isOpen = true

  constructor(parts: LinkParts) {
    this.#parts = parts
  }

  send(content: MailBody): void {
    if (!this.#isOpen) return
    const body = encodeBody(content)
    if (body === undefined) return this.#break(`a message of kind ${content.kind} is too large`)
    const numbers = numberMail(this.#link, body.length)
    if (numbers === undefined) return this.#break('the other server does not keep up')
    const { self, other, leadership, session, send } = this.#parts
    send(other, encodeMail({ from: self, leadership, session, ...numbers }, body)).catch((error: unknown) => this.#break(`mail could not be sent (${(error as Error).message})`))
  }

  /** @returns whether its content is to be dealt with */
  take(mail: Mail, bytes: number): boolean {
    if (!this.#isOpen) return false
    const outcome = takeMail(this.#link, mail, bytes)
    if (outcome === 'lost') this.#break(`mail was lost before number ${mail.number}`)
    if (outcome === 'next' && owesConfirmation(this.#link)) this.send({ kind: 'beat' })
    return outcome === 'next'
  }

  /** Nothing more is sent or taken. */
  close(): void {
    this.#isOpen = false
  }

  #break(reason: string): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    const { other, log, broken } = this.#parts
    log.warn({ event: 'server_link_lost', server: other, reason })
    broken(reason)
  }
}

/** Outside of any link: the other is told that there is none. */
export function overMail(envelope: Pick<Envelope, 'from' | 'leadership' | 'session'>): string {
  return encodeMail({ ...envelope, number: 0, taken: 0 }, JSON.stringify({ kind: 'over' }))
}
