/** Plays a swarm against the coordinator under virtual time and keeps its own books, for the property tests. */
import { createCoordinator, type CoordinatorConfig, type CoordinatorEffect, type CoordinatorInput, type CoordinatorState } from '../coordination/coordinator-state.ts'
import { step } from '../coordination/coordinator.ts'

export type Action =
  | { readonly do: 'join'; readonly who: number }
  | { readonly do: 'leave'; readonly who: number }
  | { readonly do: 'refresh'; readonly who: number }
  | { readonly do: 'want'; readonly who: number; readonly rollouts: number }
  /** Samples of one of the peer's running leases. */
  | { readonly do: 'deliver'; readonly who: number; readonly lease: number; readonly most: number }
  /** A lease of the peer that may have ended long ago. */
  | { readonly do: 'deliver_late'; readonly who: number; readonly lease: number }
  | { readonly do: 'deliver_again'; readonly pick: number }
  | { readonly do: 'steal'; readonly who: number; readonly lease: number }
  | { readonly do: 'judge'; readonly pick: number; readonly count: number }
  | { readonly do: 'finish_step' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'disconnect' }

type Granted = Extract<CoordinatorEffect, { kind: 'lease_granted' }>
type Judge = Extract<CoordinatorEffect, { kind: 'judge' }>
type Learn = Extract<CoordinatorEffect, { kind: 'learn' }>
type Received = Extract<CoordinatorInput, { kind: 'rollouts_received' }>

export const PEERS = 4
/** This one's rollouts never pass. */
export const LIAR = 3

type AfterStep = (bed: CoordinatorTestbed, inputs: readonly CoordinatorInput[], effects: readonly CoordinatorEffect[]) => void

export class CoordinatorTestbed {
  state: CoordinatorState
  nowMs = 0
  readonly granted: Granted[] = []
  readonly endings = new Map<string, number>()
  readonly learnt: Learn[] = []
  readonly answered: Extract<CoordinatorEffect, { kind: 'answered' }>[] = []
  readonly outdated: Extract<CoordinatorEffect, { kind: 'rollout_outdated' }>['rollout'][] = []
  readonly #held: number[] = Array.from({ length: PEERS }, () => 0)
  readonly #toJudge: Judge[] = []
  readonly #received: Received[] = []
  #step: Learn | undefined
  #wakeAtMs: number | undefined
  #ticket = 0
  readonly #afterStep: AfterStep
  readonly #turns: number

  /** @param turns most turns of a rollout; how many one takes follows from its sample */
  constructor(state: CoordinatorState, afterStep: AfterStep = () => undefined, turns = 1) {
    this.state = state
    this.#afterStep = afterStep
    this.#turns = turns
  }

  input(...inputs: readonly CoordinatorInput[]): void {
    const effects = step(this.state, inputs, { nowMs: this.nowMs })
    for (const effect of effects) this.#note(effect)
    this.#afterStep(this, inputs, effects)
  }

  #note(effect: CoordinatorEffect): void {
    if (effect.kind === 'lease_granted') this.granted.push(effect)
    else if (effect.kind === 'lease_ended') this.endings.set(effect.lease, (this.endings.get(effect.lease) ?? 0) + 1)
    else if (effect.kind === 'judge') this.#toJudge.push(effect)
    else if (effect.kind === 'answered') this.answered.push(effect)
    else if (effect.kind === 'rollout_outdated') this.outdated.push(effect.rollout)
    else if (effect.kind === 'wake_at') this.#wakeAtMs = effect.atMs
    else {
      this.learnt.push(effect)
      this.#step = effect
    }
  }

  play(action: Action): void {
    switch (action.do) {
      case 'join':
        return this.input({ kind: 'peer_joined', peer: peer(action.who) })
      case 'leave':
        return this.input({ kind: 'peer_left', peer: peer(action.who) })
      case 'refresh':
        this.#held[action.who] = this.state.version
        return
      case 'want':
        return this.input({ kind: 'work_wanted', peer: peer(action.who), version: this.#held[action.who]!, rollouts: action.rollouts })
      case 'deliver': {
        const running = this.#leasesOf(action.who).filter(lease => !this.endings.has(lease.lease))
        const lease = running[action.lease % Math.max(1, running.length)]
        return lease && this.#deliver(lease.peer, lease, action.most)
      }
      case 'deliver_late': {
        const all = this.#leasesOf(action.who)
        const lease = all[action.lease % Math.max(1, all.length)]
        return lease && this.#deliver(lease.peer, lease, 1000)
      }
      case 'steal': {
        const lease = this.granted[action.lease % Math.max(1, this.granted.length)]
        return lease && this.#deliver(peer(action.who), lease, 1)
      }
      case 'deliver_again': {
        const again = this.#received[action.pick % Math.max(1, this.#received.length)]
        return again && this.input({ ...again, ticket: this.#ticket++ })
      }
      case 'judge':
        return this.input(...Array.from({ length: action.count }, () => this.#verdict(action.pick)).filter(verdict => verdict !== undefined))
      case 'finish_step':
        return this.#finishStep()
      case 'wait':
        return this.#wait(action.ms)
      case 'disconnect':
        return this.input({ kind: 'peers_unknown' })
    }
  }

  /** Lets one honest peer work alone until `versions` more are learnt. @returns whether it got there */
  workAlone(who: number, versions: number): boolean {
    const goal = this.state.version + versions
    for (let round = 0; round < 100 * this.#turns * (versions + 1); round++) {
      if (this.state.version >= goal) return true
      this.#held[who] = this.state.version
      this.play({ do: 'want', who, rollouts: 8 })
      for (const lease of this.#leasesOf(who)) if (!this.endings.has(lease.lease)) this.#deliver(lease.peer, lease, 1000)
      while (this.#toJudge.length > 0) this.play({ do: 'judge', pick: 0, count: 8 })
      this.#finishStep()
      this.#wait(100)
    }
    return false
  }

  #leasesOf(who: number): Granted[] {
    return this.granted.filter(lease => lease.peer === peer(who))
  }

  /** What was delivered before is left out while something is missing. */
  #deliver(from: string, lease: Granted, most: number): void {
    const missing = this.state.leases.leases[lease.lease]?.outstanding ?? []
    const rollouts = (missing.length > 0 ? missing : lease.samples).slice(0, most).map(({ prompt, index, turn }) => ({ prompt, index, turn, version: lease.version }))
    const received: Received = { kind: 'rollouts_received', ticket: this.#ticket++, peer: from, lease: lease.lease, rollouts }
    this.#received.push(received)
    this.input(received)
  }

  /** Of this sample, in every attempt: committed seeds make it so as long as versions say the same. */
  turnsOf(prompt: number, index: number): number {
    return 1 + ((prompt + index) % this.#turns)
  }

  /** The verifier is right about everybody: only the liar is caught. The reward depends on the sample and its turn alone, as committed seeds make it. */
  #verdict(pick: number): CoordinatorInput | undefined {
    const [next] = this.#toJudge.splice(pick % Math.max(1, this.#toJudge.length), 1)
    if (next === undefined) return undefined
    const { prompt, index, turn } = next.rollout
    const judgement = next.peer === peer(LIAR) ? { kind: 'rejected' as const, reason: 'sampling_mismatch' as const } : { kind: 'accepted' as const, reward: index + turn, done: turn + 1 === this.turnsOf(prompt, index) }
    return { kind: 'rollout_judged', ticket: next.ticket, peer: next.peer, rollout: next.rollout, judgement }
  }

  #finishStep(): void {
    if (this.#step !== undefined) this.input({ kind: 'policy_published', version: this.#step.version + 1 })
    this.#step = undefined
    if (!this.state.learnerFree) this.input({ kind: 'learner_free' })
  }

  #wait(ms: number): void {
    const until = this.nowMs + ms
    while (this.#wakeAtMs !== undefined && this.#wakeAtMs <= until) {
      this.nowMs = Math.max(this.nowMs, this.#wakeAtMs)
      this.#wakeAtMs = undefined
      this.input({ kind: 'deadline_reached' })
    }
    this.nowMs = until
  }
}

export function peer(who: number): string {
  return who.toString(16).padStart(32, '0')
}

/** What comes of the actions for a swarm whose learner has just become free. */
export function played(config: CoordinatorConfig, actions: readonly Action[], turns = 1): CoordinatorTestbed {
  const bed = new CoordinatorTestbed(createCoordinator(config), undefined, turns)
  bed.play({ do: 'finish_step' })
  for (const next of actions) bed.play(next)
  return bed
}

/** Every accepted rollout that has not been learnt from. */
export function acceptedIn(state: CoordinatorState): string[] {
  const groups = [...state.groups, ...(state.learning ?? [])]
  return groups.flatMap(({ prompt, samples }) => samples.flatMap((sample, index) => (sample.kind === 'accepted' ? [`${prompt}/${index}@${sample.version}`] : []))).toSorted()
}
