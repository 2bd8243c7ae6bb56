import { pipelineCapacity, type StageCapacity } from './stage-capacity.ts'

/**
 * Splits all devices into groups that can each hold all layers: most capable first into the emptiest group (Graham's LPT
 * rule, "Bounds on multiprocessing timing anomalies", 1969); then the group that lacks most takes a more capable member
 * from a group with layers to spare, for one of its own or for none, as long as that lowers what the two lack together.
 * @param capacities the most capable first, at least as many as groups
 * @returns undefined when that ends with a group that lacks layers, which does not prove that no split exists
 */
export function balancedGroups(capacities: readonly StageCapacity[], groupCount: number, layers: number): number[][] | undefined {
  const groups = dealtOut(capacities, groupCount)
  const members: StageCapacity[] = []
  /** Layers beyond all that a group can hold, below 0 if it lacks some, after one member went and another came. */
  const spareOf = (group: readonly number[], gone?: number, come?: number): number => {
    members.length = 0
    for (const index of group) if (index !== gone) members.push(capacities[index]!)
    if (come !== undefined) members.push(capacities[come]!)
    return members.length === 0 ? -Infinity : pipelineCapacity(members) - layers
  }
  const spares = groups.map(group => spareOf(group))
  for (;;) {
    const needy = spares.indexOf(Math.min(...spares))
    const lack = -spares[needy]!
    if (lack <= 0) return groups
    let best: { readonly other: number; readonly taken: number; readonly given: number | undefined } | undefined
    let bestGain = 0
    for (let other = 0; other < groups.length && bestGain < lack; other++) {
      if (spares[other]! <= 0) continue
      for (const taken of groups[other]!) {
        for (const given of [undefined, ...groups[needy]!]) {
          // Indices grow as capacity falls.
          if (given !== undefined && given < taken) continue
          const mended = lack + Math.min(0, spareOf(groups[needy]!, given, taken))
          if (mended <= bestGain) continue
          const gain = mended + Math.min(0, spareOf(groups[other]!, taken, given))
          if (gain <= bestGain) continue
          best = { other, taken, given }
          bestGain = gain
        }
      }
    }
    if (best === undefined) return undefined
    const { other, taken, given } = best
    groups[needy] = [...groups[needy]!.filter(index => index !== given), taken]
    groups[other] = groups[other]!.filter(index => index !== taken)
    if (given !== undefined) groups[other].push(given)
    spares[needy] = spareOf(groups[needy])
    spares[other] = spareOf(groups[other])
  }
}

function dealtOut(capacities: readonly StageCapacity[], groupCount: number): number[][] {
  const groups: number[][] = Array.from({ length: groupCount }, () => [])
  const held = groups.map(() => 0)
  for (const [index, { middle }] of capacities.entries()) {
    let emptiest = 0
    for (let group = 1; group < groupCount; group++) if (held[group]! < held[emptiest]!) emptiest = group
    groups[emptiest]!.push(index)
    held[emptiest]! += middle
  }
  return groups
}
