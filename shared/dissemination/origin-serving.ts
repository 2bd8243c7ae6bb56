/** The signaling server's answer to a tab that asks what it shall take from the origin. */
import type { OriginGrant, OriginWanted } from '../protocol/volunteer-messages.ts'
import { refuse } from '../protocol/refusal.ts'
import { rangeLength, without, type LayerRange } from '../scheduling/layer-range.ts'
import { chunksOf } from './manifest.ts'
import { grantOrigin } from './origin-grants.ts'
import { manifestOfSlice } from './slice-manifest.ts'
import { layersOf } from './swarm-layers.ts'
import type { AnnouncedPolicy, SwarmPeer, SwarmRun } from './swarm-state.ts'

export function answerOriginWanted(run: SwarmRun, peer: SwarmPeer, { version, manifestHash, need }: OriginWanted, now: number): OriginGrant {
  const policy = run.policies.get(version)
  if (policy?.hash !== manifestHash) return refuse('stale_version', `version ${version} is not announced here any more`)
  const layers = layersOf(run, peer.id)
  const others = [...run.peers.values()].filter(other => other !== peer)
  // Of those who have everything, any may be asked; a server that was restarted does not remember who took what.
  if (need === 'share' && others.some(other => other.held.has(policy.hash) && covers(layersOf(run, other.id), layers))) return { kind: 'origin_granted', chunks: [] }
  const sharers = 1 + others.filter(({ held }) => !held.has(policy.hash)).length
  return { kind: 'origin_granted', chunks: [...grantOrigin(policy.grants, { peer: peer.id, chunks: chunksNeeded(run, policy, layers), sharers, need }, now)] }
}

/** Places in the list of the manifest's chunks. */
function chunksNeeded({ layers: runLayers }: SwarmRun, { manifest }: AnnouncedPolicy, layers: LayerRange | null): number[] {
  const all = chunksOf(manifest)
  if (layers === null || runLayers === undefined) return [...all.keys()]
  const needed = new Set(chunksOf(manifestOfSlice(manifest, runLayers.config, layers)).map(({ hash }) => hash))
  return [...all.keys()].filter(place => needed.has(all[place]!.hash))
}

function covers(holder: LayerRange | null, layers: LayerRange | null): boolean {
  if (holder === null) return true
  return layers !== null && without(layers, holder).every(piece => rangeLength(piece) === 0)
}
