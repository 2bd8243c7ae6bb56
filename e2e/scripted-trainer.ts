/** A trainer that only says what a test tells it to: the views are tested through the real signaling server, with feeds of our choice. */
import { io, type Socket } from 'socket.io-client'
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { cutPolicy, signManifest } from '#shared/dissemination/manifest.ts'
import { groupTensors } from '#shared/dissemination/tensor-groups.ts'
import { toHuggingFaceConfig, type DecoderConfig } from '#shared/model/config.ts'
import { randomWeights } from '#shared/model/random-weights.ts'
import type { RunDescription } from '#shared/protocol/run-description.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import type { PolicyPublishedAnswer } from '#shared/protocol/trainer-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'

export interface Refused {
  readonly code: string
  readonly detail?: string
}

export class ScriptedTrainer {
  readonly #socket: Socket
  readonly #server: string
  readonly #token: string
  readonly #key = signingKeyFrom(new Uint8Array(32).fill(7))
  readonly #config: DecoderConfig
  /** Peers that joined while this trainer was listening. */
  readonly joined: string[] = []

  constructor(server: string, token: string, config = tinyConfig()) {
    this.#config = config
    this.#server = server
    this.#token = token
    this.#socket = io(server, { auth: { role: 'trainer', token }, transports: ['websocket'] })
    this.#socket.on('peer_joined', ({ peer }: { peer: string }) => this.joined.push(peer))
  }

  /** Opens the run with a small random model as its version 0: from then on pages may join. */
  async openRun(description: RunDescription): Promise<void> {
    const own = { ...description, model: toHuggingFaceConfig(this.#config), lora: null, publicKey: this.#key.publicKey }
    const answer = (await this.#socket.timeout(60_000).emitWithAck('run_opened', { protocol: PROTOCOL_VERSION, description: own, newest: 0, tokenizer: null })) as { kind: string }
    if (answer.kind !== 'run_open') throw new Error(`the server did not open the run: ${JSON.stringify(answer)}`)
    await this.#publishBase(description.run)
  }

  async #publishBase(run: string): Promise<void> {
    const { body, chunks } = cutPolicy({ run, version: 0, parent: null, kind: 'full', groups: groupTensors(randomWeights(this.#config, 0)) })
    const manifest = signManifest(body, this.#key)
    const publish = (): Promise<PolicyPublishedAnswer> => this.#socket.timeout(60_000).emitWithAck('policy_published', { manifest }) as Promise<PolicyPublishedAnswer>
    let answer = await publish()
    if (answer.kind === 'chunks_missing') {
      for (const hash of answer.hashes) {
        const stored = await fetch(`${this.#server}/chunks/${hash}`, { method: 'PUT', headers: { authorization: `Bearer ${this.#token}` }, body: chunks.get(hash)! })
        if (!stored.ok) throw new Error(`the origin did not take a chunk: ${stored.status}`)
      }
      answer = await publish()
    }
    if (answer.kind !== 'announced') throw new Error(`the server did not announce version 0: ${JSON.stringify(answer)}`)
  }

  sendFeed(feed: RunFeed): void {
    this.#socket.emit('run_feed', { run: feed.report.run, feed })
  }

  /** Sends a feed as it is, however wrong, and waits for the server's word about it. */
  sendMalformedFeed(run: string, feed: unknown): Promise<Refused> {
    const refused = new Promise<Refused>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the server said nothing about a malformed feed')), 60_000)
      this.#socket.once('refused', (refusal: Refused) => {
        clearTimeout(timer)
        resolve(refusal)
      })
    })
    this.#socket.emit('run_feed', { run, feed })
    return refused
  }

  close(): void {
    this.#socket.disconnect()
  }
}
