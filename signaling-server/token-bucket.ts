/** Allows a burst and then a steady rate, of messages, sockets or bytes. */
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

/** @returns whether one more is allowed at `now` (milliseconds) */
export function takeToken(bucket: TokenBucket, rate: Rate, now: number): boolean {
  fill(bucket, rate, now)
  if (bucket.level < 1) return false
  bucket.level--
  return true
}

/** Remembers so many: who floods from more addresses has to be kept out elsewhere. */
const BUCKETS = 50_000

/** A bucket for everybody, by a name that they do not choose. */
export class TokenBuckets {
  readonly #rate: Rate
  /** Least recently used first. */
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(rate: Rate) {
    this.#rate = rate
  }

  /**
   * What is too large for the bucket may be taken from one that is not empty, and is owed then.
   * @returns 0 when it was taken; otherwise milliseconds until some may be taken again
   */
  take(name: string, tokens: number, now: number): number {
    const bucket = this.#buckets.get(name) ?? fullBucket(this.#rate, now)
    this.#buckets.delete(name)
    this.#buckets.set(name, bucket)
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > BUCKETS && oldest !== undefined) this.#buckets.delete(oldest)
    fill(bucket, this.#rate, now)
    if (bucket.level < 1) return Math.ceil(((1 - bucket.level) / this.#rate.perSecond) * 1000)
    bucket.level -= tokens
    return 0
  }
}

function fill(bucket: TokenBucket, rate: Rate, now: number): void {
  bucket.level = Math.min(rate.burst, bucket.level + ((now - bucket.filledAt) / 1000) * rate.perSecond)
  bucket.filledAt = now
}
