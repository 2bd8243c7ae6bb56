/**
 * How often and from which seed property tests run. The suite is the same every time; a hunt (MURMURATION_HUNT=50) runs
 * each property that many times as often, from a fresh seed, and prints the seed of what it finds.
 */
import * as fc from 'fast-check'

const SUITE_SEED = 20_251_121
const factor = Number(import.meta.env['MURMURATION_HUNT'] ?? 1)

if (factor === 1) fc.configureGlobal({ seed: SUITE_SEED })
else fc.configureGlobal({ numRuns: 100 * factor })

/** @returns fast-check's parameter for `count` runs in the suite */
export function runs(count: number): { numRuns: number } {
  return { numRuns: count * factor }
}
