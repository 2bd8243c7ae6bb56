import { planMembers, type LayerPlan } from './layer-plan.ts'
import { overlap } from './layer-range.ts'
import { missingLayers, type MissingLayers, type MissingReason } from './missing-layers.ts'
import type { ModelShape } from './model-shape.ts'
import { canHoldAll, networkOf, networksOf, stageCapacity, type Device } from './stage-capacity.ts'

/** @returns for each layer how many peers hold it */
export function hostCounts(layers: number, plan: LayerPlan): number[] {
  return Array.from({ length: layers }, (_, layer) => planMembers(plan).filter(({ slice }) => overlap(slice, { start: layer, end: layer + 1 }) > 0).length)
}

/**
 * What a plan without any pipeline lacks, seen from the network that comes nearest to one.
 * `no_link`: all peers could hold the model together, but they cannot all reach each other.
 * `no_memory`: somebody is here who holds nothing, because none of the missing layers fits.
 * `absent_peer`: everybody who is here is of use; one more peer is needed.
 */
export function missingCoverage(shape: ModelShape, devices: readonly Device[], plan: LayerPlan): MissingLayers[] {
  if (plan.pipelines.length > 0) return []
  const views = networksOf(devices).map(network => {
    const peers = new Set(devices.filter(device => networkOf(device) === network).map(({ peer }) => peer))
    const standbys = plan.standbys.filter(({ peer }) => peers.has(peer))
    const counts = hostCounts(shape.layers, { pipelines: [], standbys })
    return { counts, missing: counts.filter(count => count === 0).length, hasIdle: standbys.some(({ slice }) => slice === undefined) }
  })
  const nearest = views.toSorted((left, right) => left.missing - right.missing)[0] ?? { counts: hostCounts(shape.layers, plan), hasIdle: false }
  const reason = reasonOf(shape, devices, nearest.hasIdle)
  return missingLayers(nearest.counts.map(count => (count === 0 ? reason : undefined)))
}

function reasonOf(shape: ModelShape, devices: readonly Device[], hasIdle: boolean): MissingReason {
  const capacities = devices.map(({ memoryBytes }) => stageCapacity(shape, memoryBytes)).filter(({ middle }) => middle > 0)
  if (canHoldAll(capacities, shape.layers)) return 'no_link'
  return hasIdle ? 'no_memory' : 'absent_peer'
}
