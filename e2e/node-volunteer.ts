/**
 * A volunteer without a browser: the real messages, the real engine (onnxruntime-node), chunks from the origin only. For tests of the
 * trainer that need no Chromium.
 */
import { randomBytes } from 'node:crypto'
import * as ort from 'onnxruntime-node'
import { io, type Socket } from 'socket.io-client'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { checkPolicy, chunksOf, manifestHash } from '#shared/dissemination/manifest.ts'
import { peerIdOf, signJoin } from '#shared/dissemination/peer-identity.ts'
import { assembleGroup } from '#shared/dissemination/tensor-groups.ts'
import { bringVersion } from '#shared/dissemination/version-arrival.ts'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { parseDecoderConfig } from '#shared/model/config.ts'
import type { Tensor } from '#shared/model/tensor.ts'
import type { Lease } from '#shared/protocol/lease.ts'
import type { Manifest, PublishedPolicy } from '#shared/protocol/manifest.ts'
import type { Rollout, Verdict } from '#shared/protocol/rollout.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import type { JoinAnswer, PolicyAnnouncement, SubmissionAnswer, Welcome } from '#shared/protocol/volunteer-messages.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'

const ROWS = 64

export interface NodeVolunteerOptions {
  readonly server: string
  /** Changes a rollout before it is submitted; the same object for an honest volunteer. */
  readonly distort?: (rollout: Rollout) => Rollout
  readonly heard?: (verdict: Verdict) => void
}

export class NodeVolunteer {
  readonly #key = signingKeyFrom(randomBytes(32))
  readonly peer = peerIdOf(this.#key.publicKey)
  readonly verdicts: Verdict[] = []
  /** Of versions after the base, from the origin. */
  bytesFetched = 0
  readonly #options: NodeVolunteerOptions
  readonly #socket: Socket
  #welcome: Welcome | undefined
  #engine: SliceEngine | undefined
  #held: Manifest | undefined
  #wanted: PublishedPolicy | undefined
  /** By version: a lease of an older one may cross the announcement of the next. */
  readonly #announced = new Map<number, PublishedPolicy>()
  /** All that were ever fetched or rebuilt: runs of tests are short. */
  readonly #chunks = new Map<string, Uint8Array<ArrayBuffer>>()
  readonly #leases: Lease[] = []
  #working: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: NodeVolunteerOptions) {
    this.#options = options
    this.#socket = io(options.server, { transports: ['websocket'], auth: { role: 'volunteer' }, reconnectionDelay: 50, reconnectionDelayMax: 200 })
    let challenge = ''
    const join = async (): Promise<void> => {
      const signature = signJoin({ protocol: PROTOCOL_VERSION, server: new URL(options.server).host, challenge, run: undefined }, this.#key)
      const answer = (await this.#socket.emitWithAck('join', { protocol: PROTOCOL_VERSION, publicKey: this.#key.publicKey, signature })) as JoinAnswer
      // Not open yet: the description of the run will say when.
      if (answer.kind === 'refused') return
      this.#welcome = answer
      this.#hear(answer.newest)
    }
    this.#socket.on('challenge', (told: { readonly challenge: string }) => {
      challenge = told.challenge
      void join()
    })
    this.#socket.on('run_described', () => {
      if (this.#welcome === undefined) void join()
    })
    this.#socket.on('policy_announced', (announcement: PolicyAnnouncement) => this.#hear(announcement))
    this.#socket.on('lease_granted', (lease: Lease) => {
      this.#leases.push(lease)
      this.#work()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#socket.disconnect()
    await this.#working
    await this.#engine?.release()
  }

  #hear(policy: PublishedPolicy): void {
    this.#announced.set(policy.manifest.version, policy)
    this.#wanted = policy
    this.#work()
  }

  #work(): void {
    this.#working = this.#working.then(() => this.#workOnce())
  }

  async #workOnce(): Promise<void> {
    if (this.#stopped || this.#welcome === undefined || this.#wanted === undefined) return
    const next = this.#leases.find(lease => this.#canFulfil(lease))
    if (next !== undefined) {
      this.#leases.splice(this.#leases.indexOf(next), 1)
      await this.#fulfil(next, this.#welcome)
    }
    if (this.#leases.some(lease => this.#canFulfil(lease))) return this.#work()
    if (this.#held !== this.#wanted.manifest) await this.#take(this.#wanted, this.#welcome)
    if (!this.#leases.some(lease => this.#canFulfil(lease))) this.#tell('work_wanted', { run: this.#held!.run, version: this.#held!.version, rollouts: ROWS })
  }

  /** Of a version that was announced: a lease may overtake the announcement, and after a damaged checkpoint another version has the number. */
  #canFulfil({ version, manifestHash: hash }: Lease): boolean {
    const policy = this.#announced.get(version)
    return policy !== undefined && manifestHash(policy.manifest) === hash
  }

  async #take(policy: PublishedPolicy, { description, base }: Welcome): Promise<void> {
    const { manifest } = policy
    const checked = checkPolicy(policy, description, undefined)
    if (checked.kind === 'refused') throw new Error(`version ${manifest.version}: ${checked.detail}`)
    if (this.#engine === undefined) {
      const lora = description.lora
      this.#engine = await createOrtSliceEngine({
        runtime: ort,
        kind: 'node',
        config: parseDecoderConfig(description.model, 'the run'),
        weights: await this.#tensors(base),
        sessionOptions: cpuSessionOptions('cpu', 1),
        ...(lora === null ? {} : { lora })
      })
    }
    if (description.lora === null) await this.#engine.setWeights(await this.#tensors(policy))
    // Also back to the base: a lease of it may arrive after the first adapter.
    else await this.#engine.setAdapter(manifest.kind === 'lora' ? await this.#tensors(policy) : undefined)
    this.#held = manifest
    this.#tell('version_held', { run: manifest.run, version: manifest.version, manifestHash: manifestHash(manifest) })
  }

  async #tensors({ manifest, ancestors = [] }: PublishedPolicy): Promise<Map<string, Tensor>> {
    const brought = await bringVersion([...ancestors, manifest], {
      digest: bytes => Promise.resolve(sha256Hex(bytes)),
      get: async hash => this.#chunks.get(hash),
      put: async (hash, bytes) => void this.#chunks.set(hash, bytes),
      fetch: async part => {
        for (const { hash } of chunksOf(part)) if (!this.#chunks.has(hash)) this.#chunks.set(hash, await this.#chunk(hash, manifest))
        return true
      }
    })
    if (brought !== 'here') throw new Error(`version ${manifest.version}: ${JSON.stringify(brought)}`)
    const tensors = new Map<string, Tensor>()
    for (const group of manifest.groups) {
      for (const [name, tensor] of assembleGroup(group, group.chunks.map(({ hash }) => this.#chunks.get(hash)!.slice()))) tensors.set(name, tensor)
    }
    return tensors
  }

  async #chunk(hash: string, { version }: Manifest): Promise<Uint8Array<ArrayBuffer>> {
    const response = await fetch(new URL(`/chunks/${hash}`, this.#options.server))
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (sha256Hex(bytes) !== hash) throw new Error(`the origin gave ${bytes.byteLength} bytes with status ${response.status} that are not chunk ${hash}`)
    if (version > 0) this.bytesFetched += bytes.byteLength
    return bytes
  }

  async #fulfil(lease: Lease, welcome: Welcome): Promise<void> {
    const policy = this.#announced.get(lease.version)!
    if (this.#held !== policy.manifest) await this.#take(policy, welcome)
    const generator = new BatchGenerator({ engine: this.#engine!, uniform, maxRows: ROWS })
    const asked = new Map<string, Pick<Rollout, 'prompt' | 'index' | 'seed' | 'turn'>>()
    for (const { prompt, tokens, samples } of lease.prompts) {
      for (const { index, seed, turn } of samples) asked.set(`${prompt}/${index}`, { prompt, index, seed, ...(turn !== undefined && { turn }) })
      generator.submit({ prompt: Int32Array.from(tokens), maxTokens: lease.maxTokens, samples: samples.map(({ index, seed, position = 0 }) => ({ id: `${prompt}/${index}`, seed, position })) })
    }
    const rollouts: Rollout[] = []
    while (generator.pending > 0 && !this.#stopped) {
      for (const { id, tokens, logProbs, finish } of await generator.step()) {
        rollouts.push({ id, ...asked.get(id)!, version: lease.version, manifestHash: lease.manifestHash, tokens: [...tokens], logProbs: [...logProbs], finish })
      }
    }
    const { distort = (rollout: Rollout) => rollout } = this.#options
    await this.#submit(lease, rollouts.map(distort))
  }

  /** Again after a refusal: the trainer may be away for a moment, and submission is idempotent. */
  async #submit(lease: Lease, rollouts: readonly Rollout[]): Promise<void> {
    while (!this.#stopped) {
      const answer = await this.#asked('rollouts_submitted', { run: lease.run, lease: lease.id, rollouts })
      if (answer?.kind === 'verdicts') {
        this.verdicts.push(...answer.verdicts)
        for (const verdict of answer.verdicts) this.#options.heard?.(verdict)
        return
      }
      if (answer?.code === 'malformed') throw new Error(`malformed: ${answer.detail}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  async #asked(event: string, payload: unknown): Promise<SubmissionAnswer | undefined> {
    try {
      return (await this.#socket.timeout(5_000).emitWithAck(event, payload)) as SubmissionAnswer
    } catch {
      return undefined
    }
  }

  #tell(event: string, payload: unknown): void {
    if (!this.#stopped) this.#socket.emit(event, payload)
  }
}
