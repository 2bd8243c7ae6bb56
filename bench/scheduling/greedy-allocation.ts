/**
 * Allocation as the greedy allocator of Parallax does it (GradientHQ/parallax, scheduling/layer_allocation.py): largest
 * devices first until all layers are covered; while the rest could still make another pipeline, the smallest device that
 * closes the present one. The first device of a pipeline holds the embedding, the one that closes it the head.
 */
import type { StageCapacity } from '#shared/scheduling/stage-capacity.ts'

/** @returns pipelines² / stages */
export function greedyPlanValue(capacities: readonly StageCapacity[], layers: number): number {
  const open = capacities.toSorted((left, right) => right.middle - left.middle)
  let pipelines = 0
  let stages = 0
  while (open.length > 0) {
    const first = open.shift()!
    if (first.whole >= layers) {
      pipelines++
      stages++
      continue
    }
    let missing = layers - first.first
    let members = 1
    let isClosed = false
    while (open.length > 0 && !isClosed) {
      const closing = open.findLastIndex(({ last }) => last >= missing)
      const rest = open.reduce((total, { middle }) => total + middle, 0)
      const closesWell = closing >= 0 && rest - open[closing]!.middle >= layers
      isClosed = closing >= 0
      const [next] = open.splice(isClosed && closesWell ? closing : 0, 1)
      missing -= next!.middle
      members++
    }
    if (!isClosed) break
    pipelines++
    stages += members
  }
  return stages === 0 ? 0 : pipelines ** 2 / stages
}
