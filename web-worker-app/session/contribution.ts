import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import type { Verdict } from '#shared/protocol/rollout.ts'
import { OWN_ROLLOUTS_SHOWN, type OwnRollout, type VolunteerSnapshot } from './session-store.ts'

const SPEED_WINDOW_MS = 10_000

/** What this page load has given to the run. */
export class Contribution {
  readonly #now: () => number
  #tokens = 0
  #accepted = 0
  #rejected = 0
  #recent: { readonly time: number; readonly tokens: number }[] = []
  #workingSince: number | undefined
  #rollouts: readonly OwnRollout[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  /** Speed is measured over the time in which there was work. */
  setWorking(working: boolean): void {
    if (working) this.#workingSince ??= this.#now()
    else {
      this.#workingSince = undefined
      this.#recent = []
    }
  }

  finished(rollouts: readonly FinishedRollout[]): void {
    const tokens = rollouts.reduce((total, { rollout }) => total + rollout.tokens.length, 0)
    this.#tokens += tokens
    this.#recent.push({ time: this.#now(), tokens })
    const shown = rollouts.map(({ rollout }): OwnRollout => ({ id: rollout.id, version: rollout.version, tokens: rollout.tokens.length, outcome: 'sent', reward: null, rejection: null }))
    this.#rollouts = [...shown.toReversed(), ...this.#rollouts].slice(0, OWN_ROLLOUTS_SHOWN)
  }

  judged(verdicts: readonly Verdict[]): void {
    const byId = new Map(verdicts.map(verdict => [verdict.id, verdict]))
    for (const { outcome } of verdicts) {
      if (outcome === 'accepted') this.#accepted++
      if (outcome === 'rejected') this.#rejected++
    }
    this.#rollouts = this.#rollouts.map(rollout => {
      const verdict = byId.get(rollout.id)
      if (verdict === undefined) return rollout
      return {
        ...rollout,
        outcome: verdict.outcome,
        reward: verdict.outcome === 'accepted' ? verdict.reward : null,
        rejection: verdict.outcome === 'rejected' ? verdict.reason : null
      }
    })
  }

  snapshot(): Pick<VolunteerSnapshot, 'tokens' | 'tokensPerSecond' | 'accepted' | 'rejected' | 'ownRollouts'> {
    return { tokens: this.#tokens, tokensPerSecond: this.#speed(), accepted: this.#accepted, rejected: this.#rejected, ownRollouts: this.#rollouts }
  }

  #speed(): number {
    if (this.#workingSince === undefined) return 0
    const from = Math.max(this.#workingSince, this.#now() - SPEED_WINDOW_MS)
    this.#recent = this.#recent.filter(({ time }) => time >= from)
    const milliseconds = this.#now() - from
    return milliseconds === 0 ? 0 : (1000 * this.#recent.reduce((total, { tokens }) => total + tokens, 0)) / milliseconds
  }
}
