/** Real clients of a real server on the loopback interface, for tests. */
import { io, type Socket } from 'socket.io-client'
import { expect } from 'vitest'
import type { Handshake } from '#shared/protocol/handshake.ts'
import type { JoinRequest, Welcome } from '#shared/protocol/volunteer-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { describedRun, signedJoin, type PublishedVersion } from '#shared/testing/swarm-fixtures.ts'

export const TOKEN = 'a trainer token of the tests'

/** A socket whose messages wait until the test asks for them. */
export class LoopbackClient {
  readonly socket: Socket
  readonly url: string
  readonly #host: string
  readonly #inbox: [event: string, payload: unknown][] = []
  #challenge: string | undefined
  #wake: () => void = () => undefined

  constructor(url: string, auth: Handshake) {
    this.url = url
    this.#host = new URL(url).host
    this.socket = io(url, { auth, transports: ['websocket'], forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 50 })
    this.socket.on('disconnect', () => (this.#challenge = undefined))
    this.socket.on('challenge', ({ challenge }: { challenge: string }) => (this.#challenge = challenge))
    this.socket.onAny((event: string, payload: unknown) => {
      this.#inbox.push([event, payload])
      this.#wake()
    })
  }

  /** The oldest message of this event that was not heard yet. */
  async hear<Payload = unknown>(event: string): Promise<Payload> {
    for (;;) {
      const index = this.#inbox.findIndex(([name]) => name === event)
      if (index !== -1) return this.#inbox.splice(index, 1)[0]![1] as Payload
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }

  /** What the page of that peer says to join on this connection. */
  async joinRequest(index: number, more: Partial<JoinRequest> = {}): Promise<JoinRequest> {
    while (this.#challenge === undefined) await this.hear('challenge')
    return signedJoin(index, { server: this.#host, challenge: this.#challenge }, more)
  }

  ask(event: string, payload: unknown): Promise<unknown> {
    return this.socket.timeout(60_000).emitWithAck(event, payload)
  }

  tell(event: string, payload: unknown): void {
    this.socket.emit(event, payload)
  }

  until(event: 'connect' | 'disconnect' | 'connect_error'): Promise<unknown> {
    return new Promise(resolve => this.socket.once(event, resolve))
  }
}

export async function joinAs(client: LoopbackClient, index: number): Promise<Welcome> {
  const answer = await client.ask('join', await client.joinRequest(index))
  expect(answer).toMatchObject({ kind: 'welcome' })
  return answer as Welcome
}

export async function openRun(trainer: LoopbackClient): Promise<void> {
  expect(await trainer.ask('run_opened', { protocol: PROTOCOL_VERSION, description: describedRun(), newest: 0, tokenizer: null })).toEqual({ kind: 'run_open' })
}

export function putChunk(url: string, hash: string, body: Uint8Array<ArrayBuffer>, token = TOKEN): Promise<Response> {
  return fetch(`${url}/chunks/${hash}`, { method: 'PUT', headers: { authorization: `Bearer ${token}` }, body })
}

/** Publishes as a trainer does: asks, puts what is missing, asks again. */
export async function publish(url: string, trainer: LoopbackClient, { manifest, chunks }: PublishedVersion): Promise<void> {
  const answer = (await trainer.ask('policy_published', { manifest })) as { kind: string; hashes?: string[] }
  for (const hash of answer.hashes ?? []) expect((await putChunk(url, hash, chunks.get(hash)!)).status).toBe(201)
  expect(await trainer.ask('policy_published', { manifest })).toEqual({ kind: 'announced' })
}
