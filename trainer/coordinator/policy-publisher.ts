/** Brings policy versions to the origin and has them announced. */
import { setTimeout as wait } from 'node:timers/promises'
import type { RunOpened } from '#shared/protocol/trainer-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { UserError } from '../user-error.ts'
import { ConnectionLost, type ServerConnection } from './server-connection.ts'
import type { SignedPolicy } from './signed-policy.ts'

export interface OriginAddress {
  readonly url: string
  readonly token: string
}

const UPLOADS_AT_ONCE = 4
const UPLOAD_WITHIN_MS = 60_000
/** An origin that has just been told what to expect and lost it again, by a restart, is told again. */
const ROUNDS = 5
/** Between two attempts while the connection stands. */
const RETRY_MS = 500

export interface PublisherListener {
  /** The run is open and its newest version announced, for the first time. */
  readonly opened: () => void
  readonly failed: (error: unknown) => void
}

/** Keeps the server up to date: whatever breaks on the way is tried again, until the run is open there and its newest version announced. */
export class PolicyPublisher {
  readonly #connection: ServerConnection
  readonly #origin: OriginAddress
  readonly #run: Pick<RunOpened, 'description' | 'tokenizer'>
  readonly #base: SignedPolicy
  readonly #listener: PublisherListener
  #newest: SignedPolicy
  /** What stands on the server; a server that was lost may know nothing. */
  #stands: { open: boolean; newest: SignedPolicy | undefined } = { open: false, newest: undefined }
  #isBusy = false
  #hasOpened = false

  constructor(connection: ServerConnection, origin: OriginAddress, run: Pick<RunOpened, 'description' | 'tokenizer'>, base: SignedPolicy, newest: SignedPolicy, listener: PublisherListener) {
    this.#connection = connection
    this.#origin = origin
    this.#run = run
    this.#base = base
    this.#newest = newest
    this.#listener = listener
  }

  /** After every connection: the run is opened there, then the base and the newest version are published. */
  connected(): void {
    this.#stands = { open: false, newest: undefined }
    void this.#bringUpToDate()
  }

  /** A version that a newer one overtakes while it waits is left out, or comes as an ancestor of that one. */
  publish(policy: SignedPolicy): void {
    this.#newest = policy
    void this.#bringUpToDate()
  }

  async #bringUpToDate(): Promise<void> {
    if (this.#isBusy) return
    this.#isBusy = true
    try {
      while (this.#connection.isConnected && this.#stands.newest !== this.#newest) await this.#step()
    } catch (error) {
      this.#listener.failed(error)
    } finally {
      this.#isBusy = false
    }
  }

  async #step(): Promise<void> {
    // Of the connection that the attempt began with; another one has begun anew.
    const stands = this.#stands
    const newest = this.#newest
    try {
      if (!stands.open) {
        await this.#open(newest)
        stands.open = true
      }
      await this.#publish(newest)
      stands.newest = newest
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
      await wait(RETRY_MS)
    }
    if (this.#hasOpened || this.#stands.newest === undefined) return
    this.#hasOpened = true
    this.#listener.opened()
  }

  async #open({ manifest }: SignedPolicy): Promise<void> {
    const answer = await this.#connection.openRun({ ...this.#run, protocol: PROTOCOL_VERSION, newest: manifest.version })
    if (answer.kind === 'refused') throw new UserError(`the signaling server does not open run ${this.#run.description.run} (${answer.code}: ${answer.detail ?? ''})`)
    await this.#publish(this.#base)
  }

  async #publish({ manifest, chunks, ancestors }: SignedPolicy): Promise<void> {
    const lineage = [...ancestors, { manifest, chunks }]
    const published = { manifest, ...(ancestors.length > 0 && { ancestors: ancestors.map(ancestor => ancestor.manifest) }) }
    for (let round = 0; round < ROUNDS; round++) {
      const answer = await this.#connection.publish(published)
      if (answer.kind === 'announced') return
      if (answer.kind === 'refused' && answer.code === 'unknown_run') throw new ConnectionLost('the server has restarted since it was told of the run')
      if (answer.kind === 'refused') throw new Error(`the signaling server refused version ${manifest.version} (${answer.code}: ${answer.detail ?? ''})`)
      const missing = [...answer.hashes]
      await Promise.all(
        Array.from({ length: UPLOADS_AT_ONCE }, async () => {
          for (let hash = missing.shift(); hash !== undefined; hash = missing.shift()) await this.#upload(hash, lineage.find(member => member.chunks.has(hash))?.chunks.get(hash))
        })
      )
    }
    throw new ConnectionLost(`version ${manifest.version}: the origin keeps losing its chunks`)
  }

  async #upload(hash: string, bytes: Uint8Array<ArrayBuffer> | undefined): Promise<void> {
    if (bytes === undefined) throw new Error(`the origin asks for chunk ${hash}, which is in no version that is being published`)
    let status: number
    try {
      const response = await fetch(new URL(`/chunks/${hash}`, this.#origin.url), {
        method: 'PUT',
        body: bytes,
        headers: { authorization: `Bearer ${this.#origin.token}`, 'content-type': 'application/octet-stream' },
        signal: AbortSignal.timeout(UPLOAD_WITHIN_MS)
      })
      await response.arrayBuffer()
      status = response.status
    } catch (error) {
      throw new ConnectionLost(`chunk ${hash} could not be uploaded`, { cause: error })
    }
    // 409: the server restarted and expects nothing; it is asked again.
    if (status === 409) await wait(100)
    else if (status >= 300) throw new Error(`the origin refused chunk ${hash} with status ${status}`)
  }
}
