import type { FinishedRollout } from '#shared/coordination/volunteer-state.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { Verdict } from '#shared/protocol/rollout.ts'
import type { ShownRollout } from '#shared/protocol/run-feed.ts'
import { shownEpisode } from './shown-episode.ts'
import { OWN_ROLLOUTS_SHOWN, type OwnRollout, type VolunteerSnapshot } from './session-store.ts'

const SPEED_WINDOW_MS = 10_000
/** Rollouts that wait for their verdict or their text; some never get one. */
const WAITING_KEPT = 2 * LIMITS.rolloutsPerLease

/** What this page load has given to the run. */
export class Contribution {
  readonly #now: () => number
  #tokens = 0
  #accepted = 0
  #rejected = 0
  #recent: { readonly time: number; readonly tokens: number }[] = []
  #workingSince: number | undefined
  /** By id, oldest first. */
  readonly #unjudged = new Map<string, OwnRollout>()
  /** Those with a text first; each newest first. */
  #judged: readonly OwnRollout[] = []

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
    for (const { rollout: { id, version, tokens } } of rollouts) this.#unjudged.set(id, { id, episode: null, version, tokens: tokens.length, outcome: 'sent', reward: null, rejection: null })
    for (const id of this.#unjudged.keys()) {
      if (this.#unjudged.size <= WAITING_KEPT) break
      this.#unjudged.delete(id)
    }
  }

  judged(verdicts: readonly Verdict[]): void {
    const judged: OwnRollout[] = []
    for (const verdict of verdicts) {
      if (verdict.outcome === 'accepted') this.#accepted++
      if (verdict.outcome === 'rejected') this.#rejected++
      const rollout = this.#unjudged.get(verdict.id)
      if (rollout === undefined) continue
      this.#unjudged.delete(verdict.id)
      judged.push({
        ...rollout,
        outcome: verdict.outcome,
        reward: verdict.outcome === 'accepted' ? verdict.reward : null,
        rejection: verdict.outcome === 'rejected' ? verdict.reason : null
      })
    }
    // A later turn of the same rollout takes the place of the one before.
    const ids = new Set(judged.map(({ id }) => id))
    this.#judged = readableFirst([...judged.toReversed(), ...this.#judged.filter(({ id }) => !ids.has(id))])
  }

  /** @param shown of this tab, from the run's feed */
  seen(shown: readonly ShownRollout[]): void {
    const episodes = new Map(shown.map(rollout => [rollout.id, shownEpisode(rollout)]))
    for (const [id, episode] of episodes) {
      const rollout = this.#unjudged.get(id)
      if (rollout !== undefined) this.#unjudged.set(id, { ...rollout, episode })
    }
    this.#judged = readableFirst(this.#judged.map(rollout => ({ ...rollout, episode: rollout.episode ?? episodes.get(rollout.id) ?? null })))
  }

  snapshot(): Pick<VolunteerSnapshot, 'tokens' | 'tokensPerSecond' | 'accepted' | 'rejected' | 'ownRollouts'> {
    const ownRollouts = [...this.#judged, ...[...this.#unjudged.values()].slice(-OWN_ROLLOUTS_SHOWN).toReversed()].slice(0, OWN_ROLLOUTS_SHOWN)
    return { tokens: this.#tokens, tokensPerSecond: this.#speed(), accepted: this.#accepted, rejected: this.#rejected, ownRollouts }
  }

  #speed(): number {
    if (this.#workingSince === undefined) return 0
    const from = Math.max(this.#workingSince, this.#now() - SPEED_WINDOW_MS)
    this.#recent = this.#recent.filter(({ time }) => time >= from)
    const milliseconds = this.#now() - from
    return milliseconds === 0 ? 0 : (1000 * this.#recent.reduce((total, { tokens }) => total + tokens, 0)) / milliseconds
  }
}

function readableFirst(rollouts: readonly OwnRollout[]): OwnRollout[] {
  const readable = rollouts.filter(({ episode }) => episode !== null)
  const others = rollouts.filter(({ episode }) => episode === null)
  return [...readable.slice(0, OWN_ROLLOUTS_SHOWN), ...others.slice(0, WAITING_KEPT)]
}
