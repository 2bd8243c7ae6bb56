import type { PeerId } from '../protocol/identifiers.ts'
import { planMembers, type LayerPlan } from './layer-plan.ts'
import { rangeLength, without, type LayerRange } from './layer-range.ts'

/** What one peer has to load, or may drop. */
export interface SliceChange {
  readonly peer: PeerId
  /** In order. */
  readonly layers: readonly LayerRange[]
  readonly embed: boolean
  readonly head: boolean
}

export interface PlanDiff {
  readonly loads: readonly SliceChange[]
  /** Only of peers that are still in the plan. */
  readonly drops: readonly SliceChange[]
  /** Layers that somebody loads who did not hold them: what a change costs. */
  readonly movedLayers: number
}

export function planDiff(before: LayerPlan, after: LayerPlan): PlanDiff {
  const former = new Map(planMembers(before).map(({ peer, slice }) => [peer, slice]))
  const loads: SliceChange[] = []
  const drops: SliceChange[] = []
  for (const { peer, slice } of planMembers(after)) {
    const held = former.get(peer)
    if (slice !== undefined) {
      const change = { peer, layers: without(slice, held), embed: slice.embed && held?.embed !== true, head: slice.head && held?.head !== true }
      if (isChange(change)) loads.push(change)
    }
    if (held !== undefined) {
      const change = { peer, layers: without(held, slice), embed: held.embed && slice?.embed !== true, head: held.head && slice?.head !== true }
      if (isChange(change)) drops.push(change)
    }
  }
  return { loads, drops, movedLayers: loads.flatMap(({ layers }) => layers).reduce((total, range) => total + rangeLength(range), 0) }
}

function isChange({ layers, embed, head }: SliceChange): boolean {
  return layers.length > 0 || embed || head
}
