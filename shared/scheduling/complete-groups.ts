import { pipelineCapacity, type StageCapacity } from './stage-capacity.ts'

/** How many candidate members may still be looked at; counted down. Steps, not time, so that the same input gives the same plan. */
export interface SearchBudget {
  steps: number
}

/**
 * Bin completion (Fukunaga and Korf, "Bin completion algorithms for multicontainer packing, knapsack, and covering
 * problems", 2007): if there are such groups, there are some with the most capable device that is left, so all its minimal
 * groups are tried, and after each the same for the rest. Of the members that would complete a group only the least capable
 * is tried: any plan with another stays a plan when the two are exchanged.
 * @param capacities the most capable first
 * @returns undefined when there are no such groups or the budget ran out
 */
export function completeGroups(capacities: readonly StageCapacity[], groupCount: number, layers: number, budget: SearchBudget): number[][] | undefined {
  const open = capacities.map(() => true)
  const groups: number[][] = []
  let openLayers = capacities.reduce((total, { middle }) => total + middle, 0)

  const tried: StageCapacity[] = []
  const isEnough = (members: readonly number[], candidate: number): boolean => {
    tried.length = 0
    for (const member of members) tried.push(capacities[member]!)
    tried.push(capacities[candidate]!)
    return pipelineCapacity(tried) >= layers
  }

  const restIsCovered = (): boolean => {
    const missing = groupCount - groups.length
    if (missing === 0) return true
    if (openLayers < missing * layers) return false
    return isCompleted([open.indexOf(true)])
  }

  /** Takes `members` out, goes on with the rest, and puts them back unless that succeeded. */
  const isCoveredWith = (members: number[]): boolean => {
    groups.push(members)
    for (const member of members) take(member)
    if (restIsCovered()) return true
    for (const member of members) giveBack(member)
    groups.pop()
    return false
  }
  const take = (member: number): void => {
    open[member] = false
    openLayers -= capacities[member]!.middle
  }
  const giveBack = (member: number): void => {
    open[member] = true
    openLayers += capacities[member]!.middle
  }

  /** Tries every way to complete a group that is not enough yet with less capable members than its last. */
  const isCompleted = (members: readonly number[]): boolean => {
    const candidates: number[] = []
    for (let index = members.at(-1)! + 1; index < capacities.length; index++) {
      if (open[index]! && !isAlike(capacities[candidates.at(-1) ?? -1], capacities[index]!)) candidates.push(index)
    }
    budget.steps -= 1 + candidates.length
    if (budget.steps <= 0) return false
    // Capacity falls along the candidates, so those that complete the group come before those that do not.
    let completing = 0
    while (completing < candidates.length && isEnough(members, candidates[completing]!)) completing++
    if (completing > 0 && isCoveredWith([...members, candidates[completing - 1]!])) return true
    return candidates.slice(completing).some(candidate => isCompleted([...members, candidate]))
  }

  return restIsCovered() ? groups : undefined
}

function isAlike(left: StageCapacity | undefined, right: StageCapacity): boolean {
  return left?.middle === right.middle && left.first === right.first && left.last === right.last && left.whole === right.whole
}
