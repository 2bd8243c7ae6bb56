/** What samples say about a policy, and how sure they are of it. */
import type { Estimate } from '#shared/protocol/run-report.ts'
import { createRng } from '#shared/random/rng.ts'

/** Standard normal quantile of 0.975. */
const Z = 1.959963984540054
const RESAMPLES = 2_000

/** A share of independent successes, with Wilson's score interval (Wilson 1927): it stays in [0, 1] and is no point at either end. */
export function wilson(successes: number, n: number): Estimate {
  if (n === 0) return { value: 0, low: 0, high: 1 }
  const share = successes / n
  const spread = Z ** 2 / n
  const middle = (share + spread / 2) / (1 + spread)
  const half = (Z * Math.sqrt((share * (1 - share)) / n + spread / (4 * n))) / (1 + spread)
  return { value: share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) }
}

/** The mean of one number per task, with the percentile bootstrap over tasks (Efron 1979): samples of one task are not independent. Seeded. */
export function bootstrapMean(values: readonly number[]): Estimate {
  const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length
  const rng = createRng('bootstrap')
  const means = Array.from({ length: RESAMPLES }, () => mean(Array.from(values, () => values[rng.below(values.length)]!))).toSorted((a, b) => a - b)
  return { value: mean(values), low: means[Math.floor(RESAMPLES * 0.025)]!, high: means[Math.ceil(RESAMPLES * 0.975) - 1]! }
}

/**
 * The chance that at least one of `k` samples succeeds, from `successes` of `n` ≥ k samples, without bias: 1 − C(n − c, k) / C(n, k)
 * (Chen et al. 2021, "Evaluating Large Language Models Trained on Code", §2.1).
 */
export function passAtK(n: number, successes: number, k: number): number {
  if (k < 1 || k > n) throw new RangeError(`pass@${k} from ${n} samples`)
  if (n - successes < k) return 1
  let allFail = 1
  for (let i = n - successes + 1; i <= n; i++) allFail *= 1 - k / i
  return 1 - allFail
}

/**
 * Whether the commonest answer is right; of equally common ones, the one that came first (self-consistency: Wang et al. 2022,
 * "Self-Consistency Improves Chain of Thought Reasoning", §2).
 */
export function majoritySucceeds(samples: readonly { readonly answer: string; readonly success: boolean }[]): boolean {
  const votes = new Map<string, number>()
  for (const { answer } of samples) votes.set(answer, (votes.get(answer) ?? 0) + 1)
  const most = Math.max(...votes.values())
  const [winner] = [...votes].find(([, count]) => count === most)!
  return samples.find(({ answer }) => answer === winner)!.success
}
