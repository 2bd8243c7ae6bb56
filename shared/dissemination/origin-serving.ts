/** The signaling server's answer to a tab that asks what it shall take from the origin. */
import type { OriginGrant, OriginWanted } from '../protocol/volunteer-messages.ts'
import { refuse } from '../protocol/refusal.ts'
import { rangeLength, without, type LayerRange } from '../scheduling/layer-range.ts'
import { chunksOf } from './manifest.ts'
import { grantOrigin } from './origin-grants.ts'
import type { Uplink } from './origin-share.ts'
import { manifestOfSlice } from './slice-manifest.ts'
import { layersOf } from './swarm-layers.ts'
import type { AnnouncedPolicy, SwarmPeer, SwarmRun } from './swarm-state.ts'
import { cheapestRoute, originChunks, type VersionRoute } from './version-route.ts'

export function answerOriginWanted(run: SwarmRun, peer: SwarmPeer, { version, manifestHash, need, from, chunks: only }: OriginWanted, now: number): OriginGrant {
  const policy = run.policies.get(version)
  if (policy?.hash !== manifestHash) return refuse('stale_version', `version ${version} is not announced here any more`)
  const layers = layersOf(run, peer.id)
  const { toFetch, steps } = routeOf(run, policy, layers, from)
  const others = [...run.peers.values()].filter(other => other !== peer)
  // Of those who have everything, any may be asked; a server that was restarted does not remember who took what. Who holds a version need not have had deltas for it.
  const isWithOthers = steps.length === 0 && others.some(other => other.held.has(policy.hash) && covers(layersOf(run, other.id), layers))
  if (need === 'share' && isWithOthers) return { kind: 'origin_granted', chunks: [] }
  const uplink = uplinkOf(run, peer)
  const uplinks = [uplink, ...others.filter(({ held }) => !held.has(policy.hash)).map(other => uplinkOf(run, other))]
  const granted = grantOrigin(run.grants, { peer: peer.id, chunks: chunksOf(toFetch).map(({ hash }) => hash), ...(only !== undefined && { only: new Set(only) }), uplink, uplinks, need }, now)
  const placeOf = new Map(originChunks(policy).map(({ hash }, place) => [hash, place]))
  return { kind: 'origin_granted', chunks: granted.flatMap(hash => placeOf.get(hash) ?? []) }
}

function uplinkOf({ layers }: SwarmRun, { id }: SwarmPeer): Uplink {
  return layers?.serving.hosts.get(id)?.profile?.uplinkBytesPerSecond ?? undefined
}

/** As the tab goes, which knows what it holds. */
function routeOf({ layers: runLayers }: SwarmRun, { manifest, ancestors = [] }: AnnouncedPolicy, layers: LayerRange | null, from: number | null): VersionRoute {
  const lineage = [...ancestors, manifest]
  const parts = layers === null || runLayers === undefined ? lineage : lineage.map(member => manifestOfSlice(member, runLayers.config, layers))
  return cheapestRoute(parts, new Set(from === null ? [] : [from]))
}

function covers(holder: LayerRange | null, layers: LayerRange | null): boolean {
  if (holder === null) return true
  return layers !== null && without(layers, holder).every(piece => rangeLength(piece) === 0)
}
