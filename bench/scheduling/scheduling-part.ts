import type { BenchmarkResult } from '../benchmark.ts'

/** One part of the scheduling benchmark. Its rows begin with a column `part`; its headline keys are its own. */
export type SchedulingPart = (log: (line: string) => void) => BenchmarkResult
