/** Big blinds won per hand, with an interval that knows that hands come in pairs. */

export interface PlayedHand {
  /** Hands of one deal, played from both seats, share this name. */
  readonly deal: string
  /** Big blinds that the player won, below zero what it lost. */
  readonly bigBlinds: number
}

export interface WinRate {
  /** Big blinds per hand. */
  readonly mean: number
  /** Half the width of the 95 % interval; infinite with fewer than two pairs. */
  readonly margin: number
  readonly pairs: number
  /** Hands whose other half of the pair is missing; they are not counted. */
  readonly unpaired: number
}

/** 97.5 % point of the standard normal distribution. */
const NORMAL_QUANTILE = 1.959963985

/**
 * The unit of the sample is the pair, not the hand. The two hands of a pair have the same cards, so one is won largely where
 * the other is lost: they aren't independent, and as two observations they would give an interval for luck that the swapped
 * seats have just cancelled. Means of pairs are independent of each other, and their spread is what is left of the luck.
 * Interval: mean ± t · s / √n over n pairs, with Student's t.
 */
export function winRate(hands: readonly PlayedHand[]): WinRate {
  const byDeal = new Map<string, number[]>()
  for (const { deal, bigBlinds } of hands) byDeal.set(deal, [...(byDeal.get(deal) ?? []), bigBlinds])
  const means = [...byDeal.values()].filter(pair => pair.length === 2).map(([first, second]) => (first! + second!) / 2)
  const n = means.length
  const mean = means.reduce((sum, value) => sum + value, 0) / Math.max(1, n)
  const squares = means.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const margin = n < 2 ? Number.POSITIVE_INFINITY : studentQuantile(n - 1) * Math.sqrt(squares / (n - 1) / n)
  return { mean, margin, pairs: n, unpaired: hands.length - 2 * n }
}

/**
 * 97.5 % point of Student's distribution, to four digits from ten degrees of freedom on
 * (Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.5).
 */
function studentQuantile(degrees: number): number {
  const z = NORMAL_QUANTILE
  return (
    z +
    (z ** 3 + z) / (4 * degrees) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3)
  )
}
