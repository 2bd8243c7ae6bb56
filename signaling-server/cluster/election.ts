/** Carries out what the election machine decides. */
import { createElection, leads, stepElection, type ElectionEffect, type ElectionInput, type ElectionOptions, type ElectionState, type Leadership } from '#shared/cluster/leader-election.ts'

export interface ElectionParts {
  readonly claim: (leadership: Leadership, leaseMs: number, mayTake: boolean) => Promise<Leadership | null>
  readonly release: (leadership: Leadership) => Promise<void>
  readonly changed: (change: Exclude<ElectionEffect, { kind: 'ask' | 'release' | 'wake_at' }>) => void
}

export class Election {
  readonly #state: ElectionState
  readonly #parts: ElectionParts
  readonly #leaseMs: number
  #timer: NodeJS.Timeout | undefined
  #released: Promise<void> = Promise.resolve()

  constructor(options: ElectionOptions, parts: ElectionParts) {
    this.#state = createElection(options)
    this.#parts = parts
    this.#leaseMs = options.leaseMs
  }

  get leads(): boolean {
    return leads(this.#state, performance.now())
  }

  /** Who leads, as far as is known; undefined: nobody, or this server. */
  get following(): Leadership | undefined {
    return this.#state.following
  }

  input(input: ElectionInput): void {
    for (const effect of stepElection(this.#state, input, { now: performance.now() })) this.#carryOut(effect)
  }

  /** Another one may lead at once. */
  async resign(): Promise<void> {
    this.input({ kind: 'resign' })
    clearTimeout(this.#timer)
    await this.#released
  }

  #carryOut(effect: ElectionEffect): void {
    switch (effect.kind) {
      case 'ask':
        this.#parts.claim(effect.leadership, this.#leaseMs, effect.mayTake).then(
          holder => this.input({ kind: 'answered', id: effect.id, holder }),
          () => this.input({ kind: 'failed', id: effect.id })
        )
        return
      case 'release':
        // Where it fails, the lease ends by itself.
        this.#released = this.#parts.release(effect.leadership).catch(() => {})
        return
      case 'wake_at':
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.input({ kind: 'wake' }), Math.max(0, effect.time - performance.now()) + 1)
        return
      case 'lead':
      case 'step_down':
      case 'follow':
      case 'leaderless':
        this.#parts.changed(effect)
    }
  }
}
