/**
 * A trainer that learns nothing: it publishes versions of a small random model through the real signaling server, leases
 * rollouts to whoever wants work, and keeps what comes back, so that tests can compare it with what Node generates.
 */
import { io, type Socket } from 'socket.io-client'
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { cutPolicy, manifestHash, signManifest } from '#shared/dissemination/manifest.ts'
import { groupTensors } from '#shared/dissemination/tensor-groups.ts'
import { toHuggingFaceConfig, type DecoderConfig } from '#shared/model/config.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import { randomAdapter, randomWeights } from '#shared/model/random-weights.ts'
import type { Lease, LeasedPrompt } from '#shared/protocol/lease.ts'
import type { PeerStatus } from '#shared/protocol/peer-status.ts'
import type { Rollout } from '#shared/protocol/rollout.ts'
import type { PeerSubmits, PolicyPublishedAnswer } from '#shared/protocol/trainer-messages.ts'
import type { SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { rolloutSeed } from '#shared/verification/committed-randomness.ts'
import { inTime, WAIT_MS } from './in-time.ts'

const SAMPLES_PER_PROMPT = 4
const MAX_TOKENS = 12
const LEASE_MS = 600_000

interface Wish {
  readonly peer: string
  readonly version: number
  readonly rollouts: number
}

export class LeasingTrainer {
  readonly config: DecoderConfig
  readonly lora: LoraConfig
  readonly run: string
  /** What each peer has delivered, in order. */
  readonly delivered = new Map<string, Rollout[]>()
  /** Peers that said goodbye or vanished, in order. */
  readonly left: string[] = []
  /** The newest status of each peer. */
  readonly statuses = new Map<string, PeerStatus>()
  readonly server: string
  readonly #token: string
  readonly #socket: Socket
  readonly #key = signingKeyFrom(new Uint8Array(32).fill(3))
  readonly #secret = new Uint8Array(32).fill(5)
  #newest = { version: 0, hash: '' }
  #prompts = 0
  #leases = 0
  readonly #waiting = new Set<() => void>()

  constructor(server: string, token: string, run: string, config: DecoderConfig, lora: LoraConfig) {
    this.server = server
    this.#token = token
    this.run = run
    this.config = config
    this.lora = lora
    this.#socket = io(server, { auth: { role: 'trainer', token }, transports: ['websocket'] })
    this.#socket.on('work_wanted', (wish: Wish) => this.#lease(wish))
    this.#socket.on('peer_left', ({ peer }: { peer: string }) => {
      this.left.push(peer)
      this.#tellWaiting()
    })
    this.#socket.on('peer_status', ({ peer, status }: { peer: string; status: PeerStatus }) => {
      this.statuses.set(peer, status)
      this.#tellWaiting()
    })
    this.#socket.on('rollouts_submitted', ({ peer, submission }: PeerSubmits, acknowledge: (answer: SubmissionAnswer) => void) => {
      this.delivered.set(peer, [...(this.delivered.get(peer) ?? []), ...submission.rollouts])
      acknowledge({ kind: 'verdicts', verdicts: submission.rollouts.map(({ id }) => ({ id, outcome: 'accepted', reward: 1 })) })
      this.#tellWaiting()
    })
  }

  /** To a server that has restarted: the run has to be opened and published there again. */
  connectAgain(): void {
    this.statuses.clear()
    this.#socket.disconnect().connect()
  }

  async open(): Promise<void> {
    const description = {
      run: this.run,
      goal: 'to test tabs',
      mode: 'async',
      stalenessBudget: 4,
      model: toHuggingFaceConfig(this.config),
      lora: this.lora,
      publicKey: this.#key.publicKey,
      downloadBytes: 1,
      versionBytes: 2 ** 30
    }
    const answer = (await this.#socket.timeout(60_000).emitWithAck('run_opened', { protocol: PROTOCOL_VERSION, description, newest: 0, tokenizer: null })) as { kind: string }
    if (answer.kind !== 'run_open') throw new Error(`the server did not open the run: ${JSON.stringify(answer)}`)
  }

  /** The version that shall stand at the server, whatever becomes of connections; undefined: the test says each step itself. */
  #kept: number | undefined
  #standing: number | undefined
  #isBringing = false

  /** Opens the run and publishes the base and this version, and does so again after every connection, as a real trainer does. @returns once it stands */
  async keep(version: number): Promise<void> {
    if (this.#kept === undefined) {
      this.#socket.on('connect', () => {
        this.#standing = undefined
        void this.#bringUpToDate()
      })
    }
    this.#kept = version
    void this.#bringUpToDate()
    await this.waitFor(() => this.#standing === version)
  }

  async #bringUpToDate(): Promise<void> {
    if (this.#isBringing) return
    this.#isBringing = true
    while (this.#socket.connected && this.#standing !== this.#kept) {
      const [connection, version] = [this.#socket.id, this.#kept!]
      try {
        if (this.#standing === undefined) await this.open()
        if (this.#standing === undefined || version === 0) await this.publish(0)
        if (version !== 0) await this.publish(version)
        if (connection === this.#socket.id) this.#standing = version
      } catch (error) {
        // Of a connection that was lost; the next one begins anew.
        if (connection === this.#socket.id && this.#socket.connected) console.warn(`publishing version ${version} again: ${(error as Error).message}`)
      }
      this.#tellWaiting()
    }
    this.#isBringing = false
  }

  /** Version 0 has the random weights `0`, version n the adapter `n`. @returns hashes of its chunks */
  async publish(version: number): Promise<string[]> {
    const { body, chunks } = this.#cut(version)
    const first = await this.sendManifest(version)
    if (first.kind === 'chunks_missing') {
      for (const hash of first.hashes) {
        const response = await fetch(`${this.server}/chunks/${hash}`, { method: 'PUT', headers: { authorization: `Bearer ${this.#token}` }, body: chunks.get(hash)! })
        if (!response.ok) throw new Error(`PUT of a chunk: ${response.status}`)
      }
      const second = await this.sendManifest(version)
      if (second.kind !== 'announced') throw new Error(`version ${version} was not announced: ${JSON.stringify(second)}`)
    }
    this.#newest = { version, hash: manifestHash(body) }
    return [...chunks.keys()]
  }

  /** Of a version, whatever was published since. */
  sendManifest(version: number): Promise<PolicyPublishedAnswer> {
    const manifest = signManifest(this.#cut(version).body, this.#key)
    return this.#socket.timeout(60_000).emitWithAck('policy_published', { manifest }) as Promise<PolicyPublishedAnswer>
  }

  /** The bytes of each chunk of a version. */
  chunkSizes(version: number): ReadonlyMap<string, number> {
    return new Map([...this.#cut(version).chunks].map(([hash, { byteLength }]) => [hash, byteLength]))
  }

  /**
   * Resolves once the predicate holds; it is asked again after every status and delivery.
   *
   * @throws when it did not in time, with what is known of the peers
   */
  waitFor(holds: () => boolean): Promise<void> {
    const held = new Promise<void>(resolve => {
      const check = (): void => {
        if (!holds()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
    return inTime(held, () => `statuses or rollouts; ${this.#known()}`, this.waitMs)
  }

  /** What a rollout's prompt was. */
  promptTokens(prompt: number): number[] {
    return [this.config.bosTokenId, 3 + (prompt % 11), 3 + (prompt % 7)]
  }

  seed(prompt: number, index: number): string {
    return rolloutSeed(this.#secret, prompt, index)
  }

  readonly maxTokens = MAX_TOKENS

  /** After which what was waited for has not come. */
  waitMs = WAIT_MS

  /** A peer that has delivered so many rollouts of the newest version gets no more of it: tabs that never rest take the processor from the test. */
  mostOfVersion = 96

  /** Rollouts in one lease, however many are wished for: fewer keep an engine that computes slowly from long batches; with none no work is given. */
  mostRollouts = Infinity

  close(): void {
    this.#socket.disconnect()
  }

  #known(): string {
    const peers = [...this.statuses].map(([peer, status]) => `${peer} delivered ${this.delivered.get(peer)?.length ?? 0}, says ${JSON.stringify(status)}`)
    return [`newest version ${this.#newest.version}, ${this.left.length} left`, ...peers].join('\n')
  }

  #cut(version: number): ReturnType<typeof cutPolicy> {
    const tensors = version === 0 ? randomWeights(this.config, 0) : randomAdapter(this.config, this.lora, version)
    return cutPolicy({ run: this.run, version, parent: version === 0 ? null : 0, kind: version === 0 ? 'full' : 'lora', groups: groupTensors(tensors) })
  }

  #tellWaiting(): void {
    for (const check of this.#waiting) check()
  }

  #lease({ peer, rollouts }: Wish): void {
    const delivered = (this.delivered.get(peer) ?? []).filter(({ version }) => version === this.#newest.version).length
    const granted = delivered < this.mostOfVersion ? Math.min(rollouts, this.mostRollouts) : 0
    if (granted === 0) return
    const prompts: LeasedPrompt[] = []
    for (let left = granted; left > 0; left -= SAMPLES_PER_PROMPT) {
      const prompt = this.#prompts++
      prompts.push({ prompt, tokens: this.promptTokens(prompt), samples: Array.from({ length: Math.min(left, SAMPLES_PER_PROMPT) }, (_, index) => ({ index, seed: this.seed(prompt, index) })) })
    }
    const lease: Lease = { id: `l0-${this.#leases++}`, run: this.run, version: this.#newest.version, manifestHash: this.#newest.hash, prompts, maxTokens: MAX_TOKENS, durationMs: LEASE_MS }
    this.#socket.emit('lease_granted', { peer, lease })
  }
}
