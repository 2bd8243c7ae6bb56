/** The signaling server's directory under virtual time, and short ways to say what it is told, for its tests. */
import { describedRun, peerName, signedJoin, type PublishedVersion } from './swarm-fixtures.ts'
import { sha256Hex } from '../crypto/sha256.ts'
import { encodeUtf8 } from '../model/utf8.ts'
import { LIMITS } from '../protocol/limits.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import { chunksOf, manifestHash } from '../dissemination/manifest.ts'
import { stepSwarmDirectory, type DirectoryInput } from '../dissemination/swarm-directory.ts'
import { createSwarmDirectory, type DirectoryEffect, type Identification } from '../dissemination/swarm-state.ts'

export const FORGET_AFTER_MS = 60_000
export const RENEW_AFTER_MS = 30_000
export const ICE_SERVERS = [{ urls: 'stun:swarm.example:3478' }]

export const identificationOf = (connection: string): Identification => ({ server: 'swarm.example', challenge: sha256Hex(encodeUtf8(connection)) })

/** A directory, and pages and trainers that say one thing after the other. Connections are named as their peers unless told otherwise. */
export function createTestbed({ originBytesPerRun = LIMITS.originBytesPerRun, renewIceServersAfterMs }: { originBytesPerRun?: number; renewIceServersAfterMs?: number } = {}) {
  const directory = createSwarmDirectory({ renewIceServersAfterMs, originBytesPerRun, forgetRunsAfterMs: FORGET_AFTER_MS, firstPipeline: 1 })
  let now = 1000
  let wakeAt: number | undefined
  const step = (input: DirectoryInput): DirectoryEffect[] => {
    const effects = stepSwarmDirectory(directory, input, { now })
    for (const effect of effects) if (effect.kind === 'wake_at') wakeAt = effect.time
    return effects
  }
  const publish = (version: PublishedVersion, connection = 'trainer', missing: boolean = false): DirectoryEffect[] =>
    step({ kind: 'policy_published', connection, message: { manifest: version.manifest }, missing: missing ? chunksOf(version.manifest) : [] })
  return {
    directory,
    step,
    publish,
    /** Time passes; wake-ups that were asked for are given. */
    wait(ms: number): DirectoryEffect[] {
      const until = now + ms
      const effects: DirectoryEffect[] = []
      while (wakeAt !== undefined && wakeAt <= until) {
        now = wakeAt
        wakeAt = undefined
        effects.push(...step({ kind: 'wake' }))
      }
      now = until
      return effects
    },
    open({ connection = 'trainer', newest = 0, change = {} }: { connection?: string; newest?: number; change?: Parameters<typeof describedRun>[0] } = {}): DirectoryEffect[] {
      step({ kind: 'connected', connection, handshake: { role: 'trainer', token: '' }, identification: identificationOf(connection) })
      return step({ kind: 'run_opened', connection, message: { protocol: PROTOCOL_VERSION, description: describedRun(change), newest, tokenizer: null } })
    },
    connect: (connection: string): DirectoryEffect[] => step({ kind: 'connected', connection, handshake: { role: 'volunteer' }, identification: identificationOf(connection) }),
    join(index: number, { connection = peerName(index), message = signedJoin(index, identificationOf(connection)) } = {}): DirectoryEffect[] {
      if (!directory.connections.has(connection)) step({ kind: 'connected', connection, handshake: { role: 'volunteer' }, identification: identificationOf(connection) })
      return step({ kind: 'join', connection, message, iceServers: ICE_SERVERS })
    },
    hold: (index: number, { manifest }: PublishedVersion): DirectoryEffect[] =>
      step({ kind: 'version_held', connection: peerName(index), message: { run: manifest.run, version: manifest.version, manifestHash: manifestHash(manifest) } })
  }
}

export const answers = (effects: readonly DirectoryEffect[]): object[] => effects.flatMap(effect => (effect.kind === 'answer' ? [effect.answer] : []))
export const told = (effects: readonly DirectoryEffect[], event: string): unknown[][] =>
  effects.flatMap(effect => (effect.kind === 'tell' && effect.event === event ? [[effect.to, effect.payload]] : []))
