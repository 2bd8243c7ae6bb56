/** What a benchmark is, and the form in which its result is kept. */

export type Cell = string | number

export interface BenchmarkResult {
  /** Printed as a table, in this order of columns. */
  readonly rows: readonly Readonly<Record<string, Cell>>[]
  /** The figures that targets are set on. */
  readonly headline: Readonly<Record<string, number>>
  /** What a reader must know to judge the figures. */
  readonly notes: readonly string[]
}

export interface Benchmark {
  readonly name: string
  readonly what: string
  run(log: (line: string) => void): Promise<BenchmarkResult>
}

/** Median of repeated timings: this is what is quoted, absolute times being noisy on shared machines. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** @returns seconds per call, one for each of `repeats` calls after `warmUps` uncounted ones */
export async function time(call: () => Promise<unknown>, { warmUps, repeats }: { warmUps: number; repeats: number }): Promise<number[]> {
  for (let index = 0; index < warmUps; index++) await call()
  const seconds: number[] = []
  for (let index = 0; index < repeats; index++) {
    const start = performance.now()
    await call()
    seconds.push((performance.now() - start) / 1000)
  }
  return seconds
}

/**
 * Times contestants in turn (A B C A B C …), so that a drift of the machine's speed meets all of them alike.
 * @returns seconds per call, by contestant
 */
export async function timeInTurn<Name extends string>(
  contestants: Readonly<Record<Name, () => Promise<unknown>>>,
  { warmUps, repeats }: { warmUps: number; repeats: number }
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contestants) as Name[]
  const seconds = Object.fromEntries(names.map(name => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = -warmUps; round < repeats; round++) {
    for (const name of names) {
      const [elapsed] = await time(contestants[name], { warmUps: 0, repeats: 1 })
      if (round >= 0) seconds[name].push(elapsed!)
    }
  }
  return seconds
}
