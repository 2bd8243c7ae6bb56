/**
 * Which devices go together, so that pipelines² / stages is largest (Parallax, arXiv 2509.26182, phase 1). Every group must
 * hold all layers: bin covering, and NP-hard. Three facts make it small:
 * - whoever can hold the whole model is a pipeline alone: in any other place its pipeline only gets longer;
 * - of the others a best plan with s stages uses the s most capable, because these can stand in for any that it uses;
 * - so for each number of pipelines only the least s is wanted, and the sum of capacities bounds it from below.
 * Whether s devices make k groups is answered by balancing, and where that fails by a search with a limited number of steps:
 * complete for small fleets, polynomial for large ones. See docs/adr/0007.
 */
import { balancedGroups } from './balanced-groups.ts'
import { completeGroups, type SearchBudget } from './complete-groups.ts'
import { canHoldAll, embeddingPrice, headPrice, type StageCapacity } from './stage-capacity.ts'

/** Steps of the complete search, in all and for one question. */
const SEARCH_STEPS = 10_000
const STEPS_PER_QUESTION = 3_000

/**
 * @param capacities the most capable device first, none without room for a layer
 * @returns groups of indices into `capacities`, each able to hold all layers as one pipeline
 */
export function groupIntoPipelines(capacities: readonly StageCapacity[], layers: number): number[][] {
  const firstDependent = capacities.findIndex(capacity => capacity.whole < layers)
  const alone = firstDependent < 0 ? capacities.length : firstDependent
  const others = capacities.slice(alone)
  const budget: SearchBudget = { steps: SEARCH_STEPS }
  const groupsOf = (count: number, stages: number): number[][] | undefined => coveringGroups(others.slice(0, stages), count, layers, budget)
  const value = (count: number, stages: number): number => (alone + count === 0 ? 0 : (alone + count) ** 2 / (alone + stages))
  const valueOf = (groups: readonly number[][]): number => value(groups.length, groups.flat().length)
  const fewestStages = stagesLowerBound(others, layers)

  const most = mostGroups(fewestStages.length - 1, count => groupsOf(count, others.length))
  let best = valueOf(most) > valueOf([]) ? most : []
  let bestValue = valueOf(best)
  const counts = fewestStages.slice(0, most.length + 1).map((stages, count) => ({ count, stages, bound: value(count, stages) }))
  for (const { count, stages, bound } of counts.slice(1).toSorted((left, right) => right.bound - left.bound || left.count - right.count)) {
    if (bound <= bestValue) break
    let mostStages = others.length
    while (value(count, mostStages) <= bestValue) mostStages--
    const found = groupsOf(count, mostStages)
    if (found === undefined) continue
    best = withFewerStages(found, stages, used => groupsOf(count, used))
    bestValue = valueOf(best)
  }
  return [...Array.from({ length: alone }, (_, index) => [index]), ...best.map(group => group.map(index => index + alone))]
}

/** Halves the interval of the number of groups: if some number can be made, so can every smaller one. */
function mostGroups(bound: number, groupsOf: (count: number) => number[][] | undefined): number[][] {
  let best: number[][] = []
  for (let most = bound; best.length < most; ) {
    const middle = (best.length + most + 1) >> 1
    const found = groupsOf(middle)
    if (found === undefined) most = middle - 1
    else best = found
  }
  return best
}

/** Halves the interval of the number of stages: if some number suffices, so does every larger one. */
function withFewerStages(groups: number[][], bound: number, groupsOf: (stages: number) => number[][] | undefined): number[][] {
  let best = groups
  for (let least = bound; least < best.flat().length; ) {
    const middle = (least + best.flat().length) >> 1
    const found = groupsOf(middle)
    if (found === undefined) least = middle + 1
    else best = found
  }
  return best
}

function coveringGroups(capacities: readonly StageCapacity[], groups: number, layers: number, budget: SearchBudget): number[][] | undefined {
  const balanced = balancedGroups(capacities, groups, layers)
  if (balanced !== undefined) return balanced.map(group => withoutSpare(group, capacities, layers))
  const question: SearchBudget = { steps: Math.min(STEPS_PER_QUESTION, budget.steps) }
  budget.steps -= question.steps
  const found = completeGroups(capacities, groups, layers, question)
  budget.steps += Math.max(0, question.steps)
  return found
}

/**
 * @param group indices into `capacities`, the most capable device first, able to hold all layers
 * @returns the group without members that it does not need, the least capable tried first
 */
export function withoutSpare(group: readonly number[], capacities: readonly StageCapacity[], layers: number): number[] {
  let needed = group.toSorted((left, right) => left - right)
  for (const index of needed.toReversed()) {
    const rest = needed.filter(member => member !== index)
    if (canHoldAll(rest.map(member => capacities[member]!), layers)) needed = rest
  }
  return needed
}

/** @returns for k = 0, 1, … pipelines of two or more stages the least number of stages that capacities allow; it ends where they allow none */
function stagesLowerBound(capacities: readonly StageCapacity[], layers: number): number[] {
  const embedding = capacities.map(embeddingPrice).toSorted((left, right) => left - right)
  const head = capacities.map(headPrice).toSorted((left, right) => left - right)
  const bounds = [0]
  let stages = 0
  let held = 0
  let needed = 0
  for (let groups = 1; 2 * groups <= capacities.length; groups++) {
    needed += layers + embedding[groups - 1]! + head[groups - 1]!
    while (stages < capacities.length && (held < needed || stages < 2 * groups)) held += capacities[stages++]!.middle
    if (held < needed) break
    bounds.push(stages)
  }
  return bounds
}
