/** What clients of a service see, from when each of them got its tokens. */

export interface ClientTimes {
  /** Tokens received while it was measured. */
  tokens: number
  /** Of each answer that began and ended meanwhile, from the question to the first token. */
  readonly firstTokenMs: number[]
  /** Of each such answer, the mean from one token to the next. */
  readonly interTokenMs: number[]
}

export interface LoadFigures {
  readonly tokensPerSecond: number
  readonly answers: number
  readonly firstTokenMs: { readonly p50: number; readonly p95: number }
  readonly interTokenMs: { readonly p50: number; readonly p95: number }
  /** Of the clients' token rates. */
  readonly fairness: number
}

export function loadFigures(clients: readonly ClientTimes[], seconds: number): LoadFigures {
  const firstTokenMs = clients.flatMap(client => client.firstTokenMs)
  const interTokenMs = clients.flatMap(client => client.interTokenMs)
  const tokens = clients.map(client => client.tokens)
  return {
    tokensPerSecond: tokens.reduce((sum, count) => sum + count, 0) / seconds,
    answers: firstTokenMs.length,
    firstTokenMs: { p50: quantile(firstTokenMs, 0.5), p95: quantile(firstTokenMs, 0.95) },
    interTokenMs: { p50: quantile(interTokenMs, 0.5), p95: quantile(interTokenMs, 0.95) },
    fairness: jainIndex(tokens)
  }
}

/** The least value that at least this fraction of all does not exceed; NaN of nothing. */
export function quantile(values: readonly number[], fraction: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = Float64Array.from(values).toSorted()
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)]!
}

/** 1 when all shares are equal, 1/n when one has everything (Jain, Chiu and Hawe 1984). */
export function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0)
  const squares = shares.reduce((total, share) => total + share * share, 0)
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares)
}
