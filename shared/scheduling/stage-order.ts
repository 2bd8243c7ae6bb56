import type { PeerId } from '../protocol/identifiers.ts'
import { stageSlice } from './layer-range.ts'
import type { Pipeline } from './layer-plan.ts'
import { capacityInRole, embeddingPrice, headPrice, mostCapableFirst, type Device, type StageCapacity } from './stage-capacity.ts'
import { waterFill } from './water-filling.ts'

export interface Member {
  readonly device: Device
  readonly capacity: StageCapacity
}

/** First and last stages are looked for among the members that lose the fewest layers to embedding and head. */
const END_CANDIDATES = 4

/**
 * Lines up the members of a pipeline and shares out the layers: of the possible first and last stages those with which
 * the slowest stage is fastest.
 * @param members able to hold all layers together
 */
export function orderedPipeline(members: readonly Member[], layers: number): Pipeline {
  const sorted = mostCapableFirst(members)
  if (sorted.length === 1) return [{ peer: sorted[0]!.device.peer, slice: stageSlice(layers, 0, layers) }]
  let best: Pipeline | undefined
  let bestTimes: readonly [slowest: number, total: number] = [Infinity, Infinity]
  for (const first of cheapest(sorted, embeddingPrice)) {
    for (const last of cheapest(sorted, headPrice)) {
      if (first === last) continue
      const stages = [first, ...betweenRegions(sorted, first, last), last]
      const capacities = stages.map(({ capacity }, index) => capacityInRole(capacity, { embed: index === 0, head: index === stages.length - 1 }))
      if (Math.min(...capacities) < 1 || capacities.reduce((total, capacity) => total + capacity, 0) < layers) continue
      const counts = waterFill(layers, capacities, stages.map(({ device }) => device.layersPerMs))
      const times = counts.map((count, index) => count / stages[index]!.device.layersPerMs)
      const slowest = Math.max(...times)
      const total = times.reduce((sum, time) => sum + time, 0)
      if (slowest > bestTimes[0] || (slowest === bestTimes[0] && total >= bestTimes[1])) continue
      bestTimes = [slowest, total]
      best = tiled(stages.map(({ device }) => device.peer), counts, layers)
    }
  }
  if (best === undefined) throw new RangeError(`[${sorted.map(({ device }) => device.peer)}] cannot hold ${layers} layers together`)
  return best
}

function cheapest(members: readonly Member[], price: (capacity: StageCapacity) => number): Member[] {
  return members.toSorted((left, right) => price(left.capacity) - price(right.capacity)).slice(0, END_CANDIDATES)
}

/** The members between the ends, those of one region side by side, so that activations cross between regions as seldom as they can. */
function betweenRegions(members: readonly Member[], first: Member, last: Member): Member[] {
  const inner = members.filter(member => member !== first && member !== last)
  const place = (member: Member): number => {
    if (member.device.region === first.device.region) return -1
    if (member.device.region === last.device.region) return inner.length
    return inner.findIndex(({ device }) => device.region === member.device.region)
  }
  return inner.toSorted((left, right) => place(left) - place(right))
}

function tiled(peers: readonly PeerId[], counts: readonly number[], layers: number): Pipeline {
  let start = 0
  return peers.map((peer, index) => {
    const slice = stageSlice(layers, start, start + counts[index]!)
    start = slice.end
    return { peer, slice }
  })
}
