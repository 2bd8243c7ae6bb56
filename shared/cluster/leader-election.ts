/**
 * Which of several servers decides, as a machine. One lease, kept by a store that all of them reach, says who leads; whoever holds it renews it, the others ask for it and follow who has it.
 * The store's lease begins when the store hears of it, the holder counts from before it asked: by its own clock the holder's time is over before the store gives the lease to anybody else (Gray and Cheriton 1989, "Leases", section 2).
 */

/** Names one term of one server; no two terms have the same name. */
export type Leadership = string

export interface ElectionOptions {
  /** Names this process among all that ever take part. */
  readonly server: string
  readonly leaseMs: number
  /** Between the answer to one question and the next question, in milliseconds. */
  readonly renewEveryMs: number
  /** How much faster or slower than others a clock may run, as a fraction. */
  readonly drift: number
}

export interface ElectionState {
  readonly options: ElectionOptions
  /** Since when the store is reached without a break, in milliseconds; undefined: it is not. */
  connectedAt: number | undefined
  /** The one question that is not answered yet. */
  asked: { readonly id: number; readonly at: number } | undefined
  askAt: number
  questions: number
  /** Of this server; the next one has another name. */
  terms: number
  /** Until when this server leads, in milliseconds; undefined: it does not. */
  until: number | undefined
  /** Whom it follows. */
  following: Leadership | undefined
}

export type ElectionInput =
  | { readonly kind: 'connected' | 'disconnected' | 'wake' }
  /** `holder`: whose lease it is after the question; null: nobody's. */
  | { readonly kind: 'answered'; readonly id: number; readonly holder: Leadership | null }
  | { readonly kind: 'failed'; readonly id: number }
  /** This server is about to close. */
  | { readonly kind: 'resign' }

export type ElectionEffect =
  /** Renew the lease if it is `leadership`'s; take it for that if `mayTake` and nobody has it; say who has it. */
  | { readonly kind: 'ask'; readonly id: number; readonly leadership: Leadership; readonly mayTake: boolean }
  /** Give the lease back if it is still `leadership`'s. */
  | { readonly kind: 'release'; readonly leadership: Leadership }
  | { readonly kind: 'lead'; readonly leadership: Leadership }
  /** Decide nothing more. */
  | { readonly kind: 'step_down' }
  | { readonly kind: 'follow'; readonly leadership: Leadership }
  /** Whom it followed leads no more, and nobody does yet. */
  | { readonly kind: 'leaderless' }
  /** Give the input `wake` then. Replaces the former wish. */
  | { readonly kind: 'wake_at'; readonly time: number }

export function createElection(options: ElectionOptions): ElectionState {
  return { options, connectedAt: undefined, asked: undefined, askAt: 0, questions: 0, terms: 1, until: undefined, following: undefined }
}

/** Asked before every decision: timers come late on a machine that stood still. */
export function leads({ until }: ElectionState, now: number): boolean {
  return until !== undefined && now < until
}

/** @param now milliseconds on a clock that never goes back */
export function stepElection(state: ElectionState, input: ElectionInput, { now }: { readonly now: number }): ElectionEffect[] {
  const effects = state.until !== undefined && !leads(state, now) ? stepDown(state) : []
  effects.push(...take(state, input, now))
  if (state.connectedAt !== undefined && state.asked === undefined && now >= state.askAt) effects.push(ask(state, now))
  const time = Math.min(state.until ?? Infinity, state.connectedAt === undefined || state.asked !== undefined ? Infinity : state.askAt)
  return time === Infinity ? effects : [...effects, { kind: 'wake_at', time }]
}

function take(state: ElectionState, input: ElectionInput, now: number): ElectionEffect[] {
  switch (input.kind) {
    case 'connected':
      state.connectedAt = now
      state.askAt = now
      state.asked = undefined
      return []
    case 'disconnected':
      // What is held stays held until it ends: the store gives it to nobody else before.
      state.connectedAt = undefined
      state.asked = undefined
      return []
    case 'wake':
      return []
    case 'failed':
      if (state.asked?.id !== input.id) return []
      state.asked = undefined
      state.askAt = now + state.options.renewEveryMs
      return []
    case 'answered':
      return answered(state, input.id, input.holder, now)
    case 'resign':
      state.connectedAt = undefined
      return state.until === undefined ? [] : stepDown(state)
  }
}

function answered(state: ElectionState, id: number, holder: Leadership | null, now: number): ElectionEffect[] {
  const { asked, options } = state
  // Of a term that has ended, or a connection that was lost: the next answer says it again.
  if (asked?.id !== id) return []
  state.asked = undefined
  state.askAt = now + options.renewEveryMs
  const own = leadershipOf(state)
  if (holder !== own) {
    const effects = state.until === undefined ? [] : stepDown(state)
    if (holder === null) {
      // Asked again as soon as it may be taken.
      state.askAt = Math.max(now, takesFrom(state))
      const followed = state.following !== undefined
      state.following = undefined
      return followed ? [...effects, { kind: 'leaderless' }] : effects
    }
    if (holder === state.following) return effects
    state.following = holder
    return [...effects, { kind: 'follow', leadership: holder }]
  }
  const until = asked.at + options.leaseMs * (1 - options.drift)
  if (now >= until) return stepDown(state)
  const begins = state.until === undefined
  state.until = until
  state.following = undefined
  return begins ? [{ kind: 'lead', leadership: own }] : []
}

function ask(state: ElectionState, now: number): ElectionEffect {
  state.asked = { id: ++state.questions, at: now }
  return { kind: 'ask', id: state.questions, leadership: leadershipOf(state), mayTake: state.until === undefined && now >= takesFrom(state) }
}

/** A store that was restarted has forgotten a lease that its holder still counts on. It is over one lease after the restart, and connections do not outlive that. */
function takesFrom({ connectedAt = Infinity, options }: ElectionState): number {
  return connectedAt + options.leaseMs * (1 + options.drift)
}

function stepDown(state: ElectionState): ElectionEffect[] {
  const ended = leadershipOf(state)
  const led = state.until !== undefined
  state.until = undefined
  state.asked = undefined
  state.terms++
  return [...(led ? [{ kind: 'step_down' } as const] : []), { kind: 'release', leadership: ended }]
}

function leadershipOf({ options, terms }: ElectionState): Leadership {
  return `${options.server}/${terms}`
}
