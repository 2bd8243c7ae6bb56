/** The best allocation by trying everything: what the real one is measured against. Shares no idea with it. Up to about 14 devices. */
import type { Holder } from '#shared/scheduling/cheapest-pipeline.ts'
import { capacityInRole, type StageCapacity } from '#shared/scheduling/stage-capacity.ts'

/** @returns the largest pipelines² / stages over all sets of disjoint pipelines, 0 when there is no pipeline */
export function exactPlanValue(capacities: readonly StageCapacity[], layers: number): number {
  const everyone = 2 ** capacities.length
  const isPipeline = Array.from({ length: everyone }, (_, set) => canHoldAll(membersOf(set, capacities), layers))
  /** fewest[set][k]: stages of k disjoint pipelines within the set. */
  const fewest: number[][] = [[0]]
  for (let set = 1; set < everyone; set++) {
    const lowest = set & -set
    const rest = set ^ lowest
    const best = [...fewest[rest]!]
    for (let others = rest; ; others = (others - 1) & rest) {
      const group = others | lowest
      if (isPipeline[group]!) {
        const size = membersOf(group, capacities).length
        fewest[set ^ group]!.forEach((stages, count) => {
          best[count + 1] = Math.min(best[count + 1] ?? Infinity, stages + size)
        })
      }
      if (others === 0) break
    }
    fewest.push(best)
  }
  return Math.max(...fewest[everyone - 1]!.map((stages, count) => (count === 0 ? 0 : count ** 2 / stages)))
}

function membersOf(set: number, capacities: readonly StageCapacity[]): StageCapacity[] {
  return capacities.filter((_, index) => (set & (1 << index)) !== 0)
}

/** Tries every first and last stage. */
function canHoldAll(members: readonly StageCapacity[], layers: number): boolean {
  if (members.length > layers || members.some(({ middle }) => middle < 1)) return false
  return members.some((_, first) =>
    members.some((_, last) => {
      if (members.length > 1 && first === last) return false
      const held = members.map((capacity, index) => capacityInRole(capacity, { embed: index === first, head: index === last }))
      return held.every(count => count >= 1) && held.reduce((total, count) => total + count, 0) >= layers
    })
  )
}

/** @returns the fewest layers that must be loaded for these holders to make one pipeline, over all orders and all ways to share the layers; Infinity if they cannot */
export function exactFewestMoved(holders: readonly Holder[], layers: number, from = 0): number {
  if (from === layers) return 0
  let fewest = Infinity
  for (const holder of holders) {
    const others = holders.filter(other => other !== holder)
    for (let end = from + 1; end <= layers; end++) {
      if (end - from > capacityInRole(holder.capacity, { embed: from === 0, head: end === layers })) continue
      let loaded = 0
      for (let layer = from; layer < end; layer++) if (holder.held === undefined || layer < holder.held.start || layer >= holder.held.end) loaded++
      if (loaded < fewest) fewest = Math.min(fewest, loaded + exactFewestMoved(others, layers, end))
    }
  }
  return fewest
}
