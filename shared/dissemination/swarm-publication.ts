/** Opening a run and announcing its versions. */
import type { PolicyVersion } from '../protocol/identifiers.ts'
import type { ChunkReference, PublishedPolicy } from '../protocol/manifest.ts'
import { refuse, type Refusal } from '../protocol/refusal.ts'
import type { RunOpened } from '../protocol/trainer-messages.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import { bytesOf, checkPolicy, manifestHash } from './manifest.ts'
import { createRunLayers, stepLayers } from './swarm-layers.ts'
import { createOriginGrants, keepGrants } from './origin-grants.ts'
import { announcement, describeRun, isJoinable, newestPolicy, watchersOf, type AnnouncedPolicy, type DirectoryAnswer, type DirectoryConnection, type DirectoryEffect, type SwarmDirectory, type SwarmRun } from './swarm-state.ts'
import { originChunks } from './version-route.ts'

/** Announcements remembered per peer, so that a trainer that returns does not make everybody fetch again. */
const ANNOUNCEMENTS_REMEMBERED = 64

/** A trainer that returns, known by the run's key, publishes again: the base, then its newest version. Peers stay, and so do versions up to that one. */
export function openRun(directory: SwarmDirectory, connection: DirectoryConnection, { protocol, description, newest, tokenizer }: RunOpened, now: number): DirectoryEffect[] {
  if (protocol !== PROTOCOL_VERSION) return [answer(refuse('unsupported_protocol', `this server speaks protocol ${PROTOCOL_VERSION}, the trainer ${protocol}`))]
  const known = directory.runs.get(description.run)
  if (known !== undefined && known.description.publicKey !== description.publicKey) {
    return [answer(refuse('run_taken', `run ${description.run} is open here with another key: choose another run id`))]
  }
  const run: SwarmRun = known ?? {
    description,
    tokenizer,
    trainer: undefined,
    abandonedAt: undefined,
    opensAt: undefined,
    policies: new Map(),
    grants: createOriginGrants(),
    peers: new Map(),
    feed: undefined,
    layers: createRunLayers(description, directory.options.firstPipeline),
    openedAt: now
  }
  directory.runs.set(description.run, run)
  run.description = description
  run.tokenizer = tokenizer
  const lost = run.trainer === connection.id ? [] : [...run.policies.keys()].filter(version => version > newest)
  if (run.trainer !== connection.id) run.opensAt = newest
  run.trainer = connection.id
  run.abandonedAt = undefined
  const effects = [answer({ kind: 'run_open' }), ...forgetVersions(run, lost, now), ...describeRun(run, watchersOf(directory, description.run))]
  for (const peer of run.peers.values()) {
    const ofPeer = { run: peer.run, peer: peer.id }
    effects.push({ kind: 'tell', to: connection.id, event: 'peer_joined', payload: ofPeer })
    if (peer.status !== undefined) effects.push({ kind: 'tell', to: connection.id, event: 'peer_status', payload: { ...ofPeer, status: peer.status } })
    if (peer.wish !== undefined) effects.push({ kind: 'tell', to: connection.id, event: 'work_wanted', payload: { ...peer.wish, peer: peer.id } })
  }
  return effects
}

/** @param missing what the origin lacks of the version's chunks */
export function publishPolicy(directory: SwarmDirectory, run: SwarmRun, published: PublishedPolicy, missing: readonly ChunkReference[], now: number): DirectoryEffect[] {
  const { manifest } = published
  const policy: AnnouncedPolicy = { ...published, hash: manifestHash(manifest) }
  const versions = retainedVersions(run, manifest.version)
  const chunks = retainedChunks(versions.map(version => (version === manifest.version ? policy : run.policies.get(version)!)))
  const fault = findFault(directory, run, published, chunks)
  if (fault !== undefined) return [answer(fault)]
  if (missing.length > 0) {
    return [
      { kind: 'expect_chunks', run: manifest.run, chunks: missing },
      answer({ kind: 'chunks_missing', hashes: missing.map(chunk => chunk.hash) })
    ]
  }
  const couldJoin = isJoinable(run)
  const replaced = [...run.policies].filter(([version, { hash }]) => !versions.includes(version) || (version === manifest.version && hash !== policy.hash))
  const forgotten = forgetVersions(run, replaced.map(([version]) => version), now)
  run.policies.set(manifest.version, policy)
  const standsHere = run.opensAt !== undefined && manifest.version >= run.opensAt
  if (standsHere) run.opensAt = undefined
  // An older one that is published again is nobody's newest version.
  const announced = newestPolicy(run) === policy ? announce(run, policy, standsHere) : []
  return [...forgotten, { kind: 'retain_chunks', run: manifest.run, chunks }, answer({ kind: 'announced' }), ...announced, ...(couldJoin ? [] : describeRun(run, watchersOf(directory, manifest.run)))]
}

function findFault(directory: SwarmDirectory, run: SwarmRun, published: PublishedPolicy, chunks: readonly ChunkReference[]): Refusal | undefined {
  const { manifest, ancestors = [] } = published
  const republished = run.policies.get(manifest.version)?.hash === manifestHash(manifest)
  const newestSeen = run.opensAt !== undefined || republished ? undefined : newestPolicy(run)?.manifest.version
  const checked = checkPolicy(published, run.description, newestSeen)
  if (checked.kind === 'refused') return checked
  const stranger = [manifest, ...ancestors].find(({ run: name }) => name !== run.description.run)
  if (stranger !== undefined) return refuse('malformed', `version ${stranger.version} belongs to run ${stranger.run}`)
  if (manifest.version !== 0 && !run.policies.has(0)) return refuse('malformed', `version ${manifest.version} before the base model, version 0`)
  if (manifest.version === 0 && manifest.kind !== 'full') return refuse('malformed', 'the base model, version 0, must be a full version')
  const bytes = bytesOf(chunks)
  const { originBytesPerRun } = directory.options
  return bytes > originBytesPerRun ? refuse('storage_full', `run ${manifest.run} needs ${bytes} bytes, the origin keeps ${originBytesPerRun}`) : undefined
}

/** Of a version with the same number that is published later, everybody has to hear and say anew. */
function forgetVersions(run: SwarmRun, versions: readonly PolicyVersion[], now: number): DirectoryEffect[] {
  for (const version of versions) run.policies.delete(version)
  if (versions.length > 0) keepGrants(run.grants, new Set(retainedChunks([...run.policies.values()]).map(({ hash }) => hash)))
  return versions.flatMap(version => stepLayers(run, { kind: 'version_withdrawn', version }, now))
}

/** The base, and as many versions as tabs within the staleness budget may still be fetching or sampling with. */
function retainedVersions({ policies, description }: SwarmRun, added: PolicyVersion): PolicyVersion[] {
  const versions = [...new Set([...policies.keys(), added])].toSorted((left, right) => right - left)
  return versions.filter((version, index) => version === 0 || index < description.stalenessBudget + 2)
}

/** What the origin keeps for them; versions share ancestors, and may share weights. */
function retainedChunks(policies: readonly AnnouncedPolicy[]): ChunkReference[] {
  return [...new Map(policies.flatMap(originChunks).map(chunk => [chunk.hash, chunk])).values()]
}

/** @param standsHere the trainer has come back to this version: whoever was told of another one since hears of this one again, even who still holds it */
function announce(run: SwarmRun, policy: AnnouncedPolicy, standsHere: boolean): DirectoryEffect[] {
  const effects: DirectoryEffect[] = []
  for (const { announced, connection } of run.peers.values()) {
    if (standsHere ? [...announced].at(-1) === policy.hash : announced.has(policy.hash)) continue
    announced.delete(policy.hash)
    announced.add(policy.hash)
    const [oldest] = announced
    if (announced.size > ANNOUNCEMENTS_REMEMBERED && oldest !== undefined) announced.delete(oldest)
    effects.push({ kind: 'tell', to: connection, event: 'policy_announced', payload: announcement(policy) })
  }
  return effects
}

function answer(answer: DirectoryAnswer): DirectoryEffect {
  return { kind: 'answer', answer }
}
