/** Brings policy versions to the origin and has them announced. */
import { setTimeout as wait } from 'node:timers/promises'
import type { SigningKey } from '#shared/crypto/signature.ts'
import { cutPolicy, manifestHash, signManifest, type PolicyContent } from '#shared/dissemination/manifest.ts'
import type { Manifest } from '#shared/protocol/manifest.ts'
import type { RunOpened } from '#shared/protocol/trainer-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { UserError } from '../user-error.ts'
import { ConnectionLost, type ServerConnection } from './server-connection.ts'

export interface SignedPolicy {
  readonly manifest: Manifest
  readonly hash: string
  readonly chunks: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
}

export function signPolicy(content: PolicyContent, key: SigningKey): SignedPolicy {
  const { body, chunks } = cutPolicy(content)
  return { manifest: signManifest(body, key), hash: manifestHash(body), chunks }
}

export interface OriginAddress {
  readonly url: string
  readonly token: string
}

const UPLOADS_AT_ONCE = 4
const UPLOAD_WITHIN_MS = 60_000
/** An origin that has just been told what to expect and lost it again, by a restart, is told again. */
const ROUNDS = 5

export class PolicyPublisher {
  readonly #connection: ServerConnection
  readonly #origin: OriginAddress
  readonly #run: Pick<RunOpened, 'description' | 'tokenizer'>
  readonly #base: SignedPolicy
  #newest: SignedPolicy
  /** One conversation at a time, in the order in which it was asked for. */
  #last: Promise<boolean> = Promise.resolve(true)

  constructor(connection: ServerConnection, origin: OriginAddress, run: Pick<RunOpened, 'description' | 'tokenizer'>, base: SignedPolicy, newest: SignedPolicy) {
    this.#connection = connection
    this.#origin = origin
    this.#run = run
    this.#base = base
    this.#newest = newest
  }

  /** Opens the run, then publishes the base and the newest version. @returns false when the connection broke meanwhile */
  open(): Promise<boolean> {
    return this.#inTurn(async () => {
      const answer = await this.#connection.openRun({ ...this.#run, protocol: PROTOCOL_VERSION, newest: this.#newest.manifest.version })
      if (answer.kind === 'refused') throw new UserError(`the signaling server does not open run ${this.#run.description.run} (${answer.code}: ${answer.detail ?? ''})`)
      await this.#publish(this.#base)
      if (this.#newest !== this.#base) await this.#publish(this.#newest)
    })
  }

  /**
   * A version that a newer one has overtaken while it waited for its turn is left out.
   * @returns false when the connection broke meanwhile: `open` after the reconnection makes up for it
   */
  publish(policy: SignedPolicy): Promise<boolean> {
    this.#newest = policy
    return this.#inTurn(async () => {
      if (policy === this.#newest) await this.#publish(policy)
    })
  }

  #inTurn(talk: () => Promise<void>): Promise<boolean> {
    const turn = this.#last.then(async () => {
      if (!this.#connection.isConnected) return false
      try {
        await talk()
        return true
      } catch (error) {
        if (error instanceof ConnectionLost) return false
        throw error
      }
    })
    // The caller sees the failure; whoever comes next only waits for the end.
    this.#last = turn.catch(() => false)
    return turn
  }

  async #publish({ manifest, chunks }: SignedPolicy): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const answer = await this.#connection.publish({ manifest })
      if (answer.kind === 'announced') return
      if (answer.kind === 'refused') throw new Error(`the signaling server refused version ${manifest.version} (${answer.code}: ${answer.detail ?? ''})`)
      const missing = [...answer.hashes]
      await Promise.all(
        Array.from({ length: UPLOADS_AT_ONCE }, async () => {
          for (let hash = missing.shift(); hash !== undefined; hash = missing.shift()) await this.#upload(hash, chunks.get(hash))
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
