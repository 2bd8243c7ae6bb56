/** A run small enough to read, for tests of what happens around the model. */
import { signingKeyFrom, type SigningKey } from '../crypto/signature.ts'
import { cutPolicy, signManifest } from '../dissemination/manifest.ts'
import { peerIdOf, signJoin } from '../dissemination/peer-identity.ts'
import type { Identification } from '../dissemination/swarm-state.ts'
import { groupTensors } from '../dissemination/tensor-groups.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import type { Manifest } from '../protocol/manifest.ts'
import type { PeerStatus } from '../protocol/peer-status.ts'
import type { RunDescription } from '../protocol/run-description.ts'
import type { RunFeed } from '../protocol/run-feed.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import type { JoinRequest } from '../protocol/volunteer-messages.ts'

export const RUN = 'reverse-letters'
export const RUN_KEY: SigningKey = signingKeyFrom(new Uint8Array(32).fill(9))

export function describedRun(change: Partial<RunDescription> = {}): RunDescription {
  return { run: RUN, goal: 'Reverse ten letters', mode: 'async', stalenessBudget: 1, model: {}, lora: null, publicKey: RUN_KEY.publicKey, downloadBytes: 4096, versionBytes: 16 * 1024 * 1024, ...change }
}

export interface PublishedVersion {
  readonly manifest: Manifest
  readonly chunks: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
}

/** Version 0 is a full version, later ones adapt it. `content` tells apart two versions of one number. */
export function publishedVersion(version: number, { content = version, floats = 1024, run = RUN, key = RUN_KEY } = {}): PublishedVersion {
  const name = version === 0 ? 'model.norm.weight' : 'model.layers.0.self_attn.q_proj.lora_A.weight'
  const data = new Float32Array(floats).map((_, index) => content * 1000 + index)
  const groups = groupTensors(new Map([[name, { shape: [floats], data }]]))
  const { body, chunks } = cutPolicy({ run, version, parent: version === 0 ? null : 0, kind: version === 0 ? 'full' : 'lora', groups })
  return { manifest: signManifest(body, key), chunks }
}

const keysOfPeers = new Map<number, SigningKey>()

export function peerKey(index: number): SigningKey {
  const known = keysOfPeers.get(index)
  if (known !== undefined) return known
  const seed = new Uint8Array(32).fill(1)
  new DataView(seed.buffer).setUint32(0, index)
  const key = signingKeyFrom(seed)
  keysOfPeers.set(index, key)
  return key
}

export function peerName(index: number): PeerId {
  return peerIdOf(peerKey(index).publicKey)
}

/** As the page of that peer signs it on a connection that was given this challenge. */
export function signedJoin(index: number, identification: Identification, { protocol = PROTOCOL_VERSION, run, ...more }: Partial<JoinRequest> = {}): JoinRequest {
  const key = peerKey(index)
  return { protocol, ...(run !== undefined && { run }), publicKey: key.publicKey, signature: signJoin({ ...identification, protocol, run }, key), ...more }
}

export const WAITING: PeerStatus = { state: 'waiting', engine: 'wasm', version: 0, tokens: 0, tokensPerSecond: 0, bytesFromOrigin: 0, bytesFromPeers: 0, links: 0 }

export function emptyFeed(updates = 0): RunFeed {
  return {
    report: {
      run: RUN,
      mode: 'async',
      stalenessBudget: 1,
      seed: 1,
      updates,
      end: null,
      durationSeconds: 0,
      eval: { before: null, after: null },
      reward: [],
      lag: { mean: 0, max: 0, histogram: [] },
      rollouts: { leased: 0, accepted: 0, stale: 0, rejected: {} as RunFeed['report']['rollouts']['rejected'] },
      throughput: { generatedTokensPerSecond: 0, learnerTokensPerSecond: 0, learnerBusyFraction: 0 },
      dissemination: { versions: 0, bytesFromOrigin: 0, bytesFromPeers: 0 },
      peers: []
    },
    phase: 'running',
    updatesPlanned: 10,
    goal: 'Reverse ten letters',
    task: 'reverse',
    metrics: [],
    evaluations: [],
    inFlight: 0,
    buffered: 0,
    tokensPerSecond: 0,
    peers: [],
    latestRollouts: []
  }
}
