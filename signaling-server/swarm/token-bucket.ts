/** Allows a burst and then a steady rate. Level in messages. */
export interface TokenBucket {
  level: number
  filledAt: number
}

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export function fullBucket(rate: Rate, now: number): TokenBucket {
  return { level: rate.burst, filledAt: now }
}

/** @returns whether one more message is allowed at `now` (milliseconds) */
export function takeToken(bucket: TokenBucket, rate: Rate, now: number): boolean {
  bucket.level = Math.min(rate.burst, bucket.level + ((now - bucket.filledAt) / 1000) * rate.perSecond)
  bucket.filledAt = now
  if (bucket.level < 1) return false
  bucket.level--
  return true
}
