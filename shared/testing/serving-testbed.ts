/** Simulated tabs that obey the protocol, with delays of their own, against the serving machine in virtual time. */
import type { DecoderConfig } from '../model/config.ts'
import type { PeerId, PolicyVersion } from '../protocol/identifiers.ts'
import type { ProfileReport } from '../protocol/profile-report.ts'
import type { PlaceAssigned, SequenceRequested } from '../protocol/stage-messages.ts'
import type { Rng } from '../random/rng.ts'
import type { LayerRange } from '../scheduling/layer-range.ts'
import type { SliceUse } from '../scheduling/model-shape.ts'
import { createServing, type SequenceEvent, type ServingEffect, type ServingInput, type ServingState } from '../serving/serving-state.ts'
import { stepServing } from '../serving/serving.ts'
import { createEventQueue, nextEvent, schedule } from '../simulation/event-queue.ts'
import { peerName } from './swarm-fixtures.ts'

export interface TabAbilities {
  readonly memoryBytes: number
  readonly rows: number
  readonly loadMs: number
  readonly versions: readonly PolicyVersion[]
}

/** What is wrong with it. `frozen`: nothing runs. `stuck`: it beats, but its work never ends. `idle`: it beats, but takes no place. */
export type Ailment = 'none' | 'frozen' | 'stuck' | 'idle'

export interface Tab extends TabAbilities {
  readonly peer: PeerId
  /** Grows with every connection: what belongs to a former one is dropped. */
  life: number
  ailment: Ailment
  stuckSince: number
  /** When its pipeline last drew tokens, or had nothing to draw. */
  drawnAt: number
  assigned: LayerRange | null
  loaded: LayerRange | null
  place: PlaceAssigned | undefined
  isOpen: boolean
  readonly sequences: Map<string, { readonly request: SequenceRequested; drawn: number; readonly pipeline: number }>
  inbox: ServingEffect[]
}

type Event =
  | { readonly kind: 'to_tab'; readonly tab: Tab; readonly life: number; readonly effect: ServingEffect }
  | { readonly kind: 'to_server'; readonly tab: Tab; readonly life: number; readonly input: ServingInput }
  | { readonly kind: 'loaded'; readonly tab: Tab; readonly life: number; readonly layers: LayerRange }
  | { readonly kind: 'linked'; readonly tab: Tab; readonly life: number; readonly place: PlaceAssigned }
  | { readonly kind: 'beat' | 'turn'; readonly tab: Tab; readonly life: number }
  | { readonly kind: 'wake'; readonly token: number }
  | { readonly kind: 'pause_over' }

export interface Ask {
  readonly key: string
  readonly maxTokens: number
  /** The answer's length when it stops by itself. */
  readonly stopsAfter: number
  readonly version: PolicyVersion
}

export interface Answer {
  readonly ask: Ask
  readonly tokens: number[]
  readonly ends: (SequenceEvent['kind'] | 'closed')[]
  refusal: Extract<SequenceEvent, { kind: 'refused' }> | undefined
}

const BEAT_MS = 400
const TURN_MS = 50
const LINK_MS = 30

/** What every honest engine draws as the index-th token of a request. */
export function expectedToken(key: string, index: number): number {
  return (Array.from(key).reduce((sum, character) => sum * 31 + character.codePointAt(0)!, 7) + index * index) % 1000
}

export function expectedAnswer({ key, maxTokens, stopsAfter }: Ask): { readonly tokens: number[]; readonly finish: 'stop' | 'length' } {
  const length = Math.min(maxTokens, stopsAfter)
  return { tokens: Array.from({ length }, (_, index) => expectedToken(key, index)), finish: stopsAfter <= maxTokens ? 'stop' : 'length' }
}

/** @param before the pipelines' names before the step */
export type AfterStep = (bed: ServingTestbed, input: ServingInput, effects: readonly ServingEffect[], before: ReadonlySet<number>) => void

export class ServingTestbed {
  state: ServingState
  readonly tabs: Tab[]
  readonly answers = new Map<string, Answer>()
  /** Pairs, as `a b` in order, that cannot be linked. */
  readonly unlinkable = new Set<string>()
  readonly told: { readonly time: number; readonly input: ServingInput; readonly effects: readonly ServingEffect[] }[] = []
  readonly #model: readonly [DecoderConfig, SliceUse]
  readonly #queue = createEventQueue<Event>()
  readonly #rng: Rng
  readonly #jitterMs: number
  readonly #afterStep: AfterStep
  /** Messages of one socket stay in order. */
  readonly #arrivals = new Map<string, number>()
  #wakeToken = 0
  #deafUntil = 0

  constructor(model: readonly [DecoderConfig, SliceUse], tabs: readonly TabAbilities[], rng: Rng, jitterMs: number, afterStep: AfterStep = () => undefined) {
    this.#model = model
    this.state = createServing(...model)
    this.#rng = rng
    this.#jitterMs = jitterMs
    this.#afterStep = afterStep
    this.tabs = tabs.map((abilities, index) => ({
      ...abilities,
      peer: peerName(index + 1),
      life: 0,
      ailment: 'none',
      stuckSince: 0,
      drawnAt: 0,
      assigned: null,
      loaded: null,
      place: undefined,
      isOpen: false,
      sequences: new Map(),
      inbox: []
    }))
  }

  get now(): number {
    return this.#queue.nowMs
  }

  isHere(who: number): boolean {
    return this.state.hosts.has(this.tabs[who]!.peer)
  }

  join(who: number): void {
    const tab = this.tabs[who]!
    if (this.isHere(who)) return
    this.#reconnect(tab)
  }

  /** @param forgets the page was reloaded */
  leave(who: number, forgets = true): void {
    const tab = this.tabs[who]!
    if (!this.isHere(who)) return
    tab.life++
    if (forgets) tab.loaded = null
    this.input({ kind: 'peer_left', peer: tab.peer })
  }

  /** The server forgets everything, and everybody comes back one after the other. */
  restart(): void {
    const here = this.tabs.filter((_, who) => this.isHere(who))
    this.state = createServing(...this.#model, this.state.nextPipeline + 1000)
    this.#wakeToken++
    for (const answer of this.answers.values()) if (answer.ends.length === 0) answer.ends.push('closed')
    for (const tab of here) this.#reconnect(tab)
  }

  ail(who: number, ailment: Ailment): void {
    const tab = this.tabs[who]!
    tab.ailment = ailment
    tab.stuckSince = this.now
    const waiting = tab.inbox
    tab.inbox = []
    if (ailment !== 'frozen') for (const effect of waiting) this.#hear(tab, effect)
  }

  ask(ask: Ask): void {
    this.answers.set(ask.key, { ask, tokens: [], ends: [], refusal: undefined })
    const { key, maxTokens, version } = ask
    this.input({ kind: 'request_opened', request: { key, prompt: [1, 2, 3], maxTokens, seed: null, temperature: 1, version } })
  }

  close(key: string): void {
    const answer = this.answers.get(key)
    if (answer === undefined || answer.ends.length > 0) return
    answer.ends.push('closed')
    this.input({ kind: 'request_closed', key })
  }

  holdVersion(who: number, version: PolicyVersion, kind: 'version_held' | 'version_dropped'): void {
    if (this.isHere(who)) this.#send(this.tabs[who]!, { kind, peer: this.tabs[who]!.peer, version })
  }

  breakLink(one: number, other: number): void {
    const [a, b] = [this.tabs[one]!, this.tabs[other]!]
    if (a === b) return
    this.unlinkable.add(pair(a.peer, b.peer))
    for (const [tab, far] of [[a, b], [b, a]] as const) {
      if (this.isHere(this.tabs.indexOf(tab))) this.#send(tab, { kind: 'link_lost', a: tab.peer, b: far.peer })
    }
  }

  /** The server's process stands still: whatever is due at it comes then, its timer first. */
  deafUntil(time: number): void {
    this.#deafUntil = time
  }

  wait(ms: number): void {
    const until = this.now + ms
    schedule(this.#queue, ms, { kind: 'pause_over' })
    for (let event = nextEvent(this.#queue); event !== undefined; event = nextEvent(this.#queue)) {
      if (event.kind === 'pause_over' && this.now >= until) return
      this.#take(event)
    }
  }

  input(input: ServingInput): readonly ServingEffect[] {
    const before = new Set(this.state.pipelines.keys())
    const effects = stepServing(this.state, input, { now: this.now })
    this.told.push({ time: this.now, input, effects })
    for (const effect of effects) this.#carryOut(effect)
    this.#afterStep(this, input, effects, before)
    return effects
  }

  #reconnect(tab: Tab): void {
    tab.life++
    Object.assign(tab, { assigned: null, place: undefined, isOpen: false, inbox: [] })
    tab.sequences.clear()
    this.input({ kind: 'peer_joined', peer: tab.peer, memory: { memoryBytes: tab.memoryBytes, largestTensorBytes: tab.memoryBytes }, held: tab.loaded })
    for (const version of tab.versions) this.#send(tab, { kind: 'version_held', peer: tab.peer, version })
    schedule(this.#queue, this.#rng.below(BEAT_MS), { kind: 'beat', tab, life: tab.life })
    schedule(this.#queue, this.#rng.below(TURN_MS), { kind: 'turn', tab, life: tab.life })
  }

  #carryOut(effect: ServingEffect): void {
    switch (effect.kind) {
      case 'tell': {
        const tab = this.tabs.find(({ peer }) => peer === effect.peer)!
        this.#after(`to ${tab.peer} ${tab.life}`, { kind: 'to_tab', tab, life: tab.life, effect })
        return
      }
      case 'sequence_event': {
        const answer = this.answers.get(effect.key)!
        if (answer.ends.length > 0) throw new Error(`${effect.key} hears ${effect.event.kind} after ${answer.ends}`)
        if (effect.event.kind === 'tokens') answer.tokens.push(...effect.event.tokens)
        else answer.ends.push(effect.event.kind)
        if (effect.event.kind === 'refused') answer.refusal = effect.event
        return
      }
      case 'wake_at':
        schedule(this.#queue, Math.max(0, effect.time - this.now), { kind: 'wake', token: ++this.#wakeToken })
        return
      case 'link':
    }
  }

  #take(event: Event): void {
    if (event.kind === 'pause_over') return
    if (this.now < this.#deafUntil && (event.kind === 'wake' || event.kind === 'to_server')) {
      schedule(this.#queue, this.#deafUntil - this.now + (event.kind === 'wake' ? 0 : 1), event)
      return
    }
    if (event.kind === 'wake') {
      if (event.token === this.#wakeToken) this.input({ kind: 'wake' })
      return
    }
    const { tab } = event
    if (event.life !== tab.life) return
    switch (event.kind) {
      case 'to_tab':
        if (tab.ailment === 'frozen') tab.inbox.push(event.effect)
        else this.#hear(tab, event.effect)
        return
      case 'to_server':
        this.input(event.input)
        return
      case 'loaded':
        if (tab.assigned !== event.layers) return
        tab.loaded = event.layers
        this.#send(tab, { kind: 'profile', peer: tab.peer, message: profileOf(tab) })
        this.#send(tab, { kind: 'slice_ready', peer: tab.peer, message: { layers: event.layers, engine: 'wasm', rows: tab.rows } })
        return
      case 'linked':
        this.#takePlace(tab, event.place)
        return
      case 'beat':
        schedule(this.#queue, BEAT_MS, event)
        if (tab.ailment === 'frozen') return
        this.#send(tab, { kind: 'heartbeat', peer: tab.peer, message: { workMs: tab.ailment === 'stuck' ? this.now - tab.stuckSince : 0, roundMs: tab.sequences.size === 0 ? 0 : this.now - tab.drawnAt } })
        return
      case 'turn':
        schedule(this.#queue, TURN_MS, event)
        this.#generate(tab)
    }
  }

  #hear(tab: Tab, effect: ServingEffect): void {
    if (effect.kind !== 'tell') return
    const { life } = tab
    switch (effect.event) {
      case 'slice_assigned': {
        const { layers } = effect.payload
        tab.assigned = layers
        if (layers !== null) schedule(this.#queue, tab.loadMs, { kind: 'loaded', tab, life, layers })
        return
      }
      case 'place_assigned':
        tab.place = effect.payload
        tab.isOpen = false
        schedule(this.#queue, LINK_MS, { kind: 'linked', tab, life, place: effect.payload })
        return
      case 'place_revoked':
        if (tab.place?.pipeline === effect.payload.pipeline) tab.place = undefined
        return
      case 'pipeline_open':
        if (tab.place?.pipeline === effect.payload.pipeline) tab.isOpen = true
        return
      case 'sequences_requested':
        for (const request of effect.payload.requests) {
          if (tab.sequences.has(request.key)) throw new Error(`${request.key} is asked for twice`)
          tab.sequences.set(request.key, { request, drawn: request.drawn.tokens.length, pipeline: effect.payload.pipeline })
        }
        return
      case 'sequences_given_up':
        for (const key of effect.payload.keys) tab.sequences.delete(key)
        return
      case 'stage_fragment':
    }
  }

  #takePlace(tab: Tab, place: PlaceAssigned): void {
    if (tab.place !== place || tab.ailment === 'idle' || tab.ailment === 'frozen') return
    const failed = [place.previous, place.next].find(neighbour => neighbour?.path === 'link' && this.unlinkable.has(pair(tab.peer, neighbour.peer)))
    if (failed == null) this.#send(tab, { kind: 'place_taken', peer: tab.peer, message: { pipeline: place.pipeline } })
    else this.#send(tab, { kind: 'link_lost', a: tab.peer, b: failed.peer })
  }

  /** A pipeline works while all of its stages are there, in their places and well. */
  #generate(tab: Tab): void {
    const { place } = tab
    const mine = [...tab.sequences].filter(([, { pipeline }]) => pipeline === place?.pipeline)
    if (mine.length === 0) tab.drawnAt = this.now
    if (place?.stage !== 0 || !tab.isOpen || tab.ailment !== 'none') return
    const stages = this.tabs.filter(({ place: other, ailment }, who) => this.isHere(who) && other?.pipeline === place.pipeline && ailment === 'none')
    if (stages.length < place.stages) return
    const sequences = []
    for (const [key, sequence] of mine.slice(0, tab.rows)) {
      const { tokens: all, finish } = expectedAnswer(this.answers.get(key)!.ask)
      const tokens = all.slice(sequence.drawn, sequence.drawn + 1 + this.#rng.below(2))
      sequence.drawn += tokens.length
      const isDone = sequence.drawn === all.length
      if (isDone) tab.sequences.delete(key)
      sequences.push({ key, tokens, logProbs: tokens.map(() => -1), finish: isDone ? finish : null })
    }
    tab.drawnAt = this.now
    if (sequences.length > 0) this.#send(tab, { kind: 'sequences_generated', peer: tab.peer, message: { pipeline: place.pipeline, sequences } })
  }

  #send(tab: Tab, input: ServingInput): void {
    this.#after(`from ${tab.peer} ${tab.life}`, { kind: 'to_server', tab, life: tab.life, input })
  }

  #after(socket: string, event: Event): void {
    const arrival = Math.max(this.now + 1 + this.#rng.below(this.#jitterMs + 1), this.#arrivals.get(socket) ?? 0)
    this.#arrivals.set(socket, arrival)
    schedule(this.#queue, arrival - this.now, event)
  }
}

export function profileOf({ memoryBytes }: TabAbilities, fixedMs = 2): ProfileReport {
  const cost = { fixedMs, perRowMs: 0.1 }
  return { engine: 'wasm', decode: cost, prefill: cost, memoryBytes, largestTensorBytes: memoryBytes, uplinkBytesPerSecond: null, roundTrips: [] }
}

function pair(a: PeerId, b: PeerId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
