/** The decisions of scheduling by themselves: how fast they are made, how good they are, and what they are worth to a simulated fleet. */
import type { Benchmark, BenchmarkResult } from '../benchmark.ts'
import { allocationPart } from './allocation-part.ts'
import { routingPart } from './routing-part.ts'
import type { SchedulingPart } from './scheduling-part.ts'
import { servingPart } from './serving-part.ts'

const PARTS: readonly SchedulingPart[] = [allocationPart, routingPart, servingPart]

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const results = PARTS.map(part => part(log))
  return {
    rows: results.flatMap(({ rows }) => rows),
    headline: Object.assign({}, ...results.map(({ headline }) => headline)) as Record<string, number>,
    notes: results.flatMap(({ notes }) => notes)
  }
}

export const schedulingBenchmark: Benchmark = { name: 'scheduling', what: 'allocation of layers and choice of chains, computed and simulated', run }
