import { describeVolunteer, stepVolunteer } from '#shared/coordination/volunteer.ts'
import { createVolunteer, type AnnouncedVersion, type VolunteerEffect, type VolunteerInput } from '#shared/coordination/volunteer-state.ts'
import { expectedPart } from '#shared/dissemination/version-route.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { RolloutSubmission } from '#shared/protocol/rollout.ts'
import type { v } from '#shared/protocol/schema.ts'
import type { STAGE_TELLS } from '#shared/protocol/stage-messages.ts'
import type { PolicyAnnouncement, Welcome } from '#shared/protocol/volunteer-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { isSameRange, rangeLength, type LayerRange } from '#shared/scheduling/layer-range.ts'
import type { MemoryBudget } from '#shared/scheduling/memory-budget.ts'
import { ChunkExchange } from '../mesh/chunk-exchange.ts'
import type { ChunkStore } from '../storage/chunk-store.ts'
import type { EngineTried, LoadRequest, PolicyTensors } from '../worker/stage-worker-api.ts'
import { Contribution } from './contribution.ts'
import { EngineHost } from './engine-host.ts'
import { HeartbeatRelay } from './heartbeat-relay.ts'
import { KnownPolicies } from './known-policies.ts'
import { memoryToLend } from './memory-to-lend.ts'
import type { PageOptions } from './page-options.ts'
import { bringPolicy, type PolicySources } from './policy-arrival.ts'
import { assemblePolicy } from './policy-tensors.ts'
import { SelfProfile } from './self-profile.ts'
import { ServerConnection } from './server-connection.ts'
import type { SnapshotCell, VolunteerReason, VolunteerSnapshot } from './session-store.ts'
import { StageSession } from './stage-session.ts'
import { StatusReporter } from './status-reporter.ts'

/** Carries out what the volunteer machine decides: socket, links, chunk store and stage worker hang on this. */
export class VolunteerSession {
  readonly #options: PageOptions
  readonly #cell: SnapshotCell
  readonly #store: Promise<ChunkStore>
  readonly #server: ServerConnection
  readonly #status: StatusReporter
  readonly #state = createVolunteer()
  readonly #inputs: VolunteerInput[] = []
  /** Of this page load: a reload is a new peer. */
  readonly #peer = randomHex(16)
  readonly #secret = randomHex(32)
  #contribution = new Contribution(() => performance.now())
  #policies: KnownPolicies | undefined
  #exchange: ChunkExchange | undefined
  /** Of the exchanges that were closed. */
  readonly #bytesBefore = { fromOrigin: 0, fromPeers: 0 }
  #engine: EngineHost | undefined
  #engineKind: VolunteerSnapshot['engine'] = null
  /** The engine that passed its self-test on this page, unless it crashed. */
  #tested: VolunteerSnapshot['engine'] = null
  #memory: MemoryBudget | undefined
  readonly #profile = new SelfProfile(report => this.#tellJoined('profile', report), () => performance.now())
  readonly #heartbeat = new HeartbeatRelay(heartbeat => this.#tellJoined('heartbeat', heartbeat), () => performance.now())
  readonly #stages = new StageSession({
    exchange: () => this.#exchange,
    engine: () => (this.#state.engine === 'ready' ? this.#engine : undefined),
    tell: (event, message) => this.#tellJoined(event, message),
    dispatch: input => this.dispatch(input)
  })
  #timer: ReturnType<typeof setTimeout> | undefined
  #detail: string | null = null
  #leftPage = false

  constructor(options: PageOptions, cell: SnapshotCell, store: Promise<ChunkStore>) {
    this.#options = options
    this.#cell = cell
    this.#store = store
    this.#status = new StatusReporter(status => this.#server.tell('peer_status', status))
    this.#server = new ServerConnection({ role: 'volunteer' }, {
      connection: connection => {
        cell.update({ connection })
        if (connection !== 'online') this.#stages.disconnected()
        this.dispatch({ kind: connection === 'online' ? 'connected' : 'disconnected' })
      },
      run_described: description => {
        cell.update({ description })
        this.dispatch({ kind: 'run_described', run: description.run })
      },
      run_feed: feed => {
        cell.update({ feed })
        this.#contribution.seen(feed.latestRollouts.filter(({ peer }) => peer === this.#peer))
        this.#publish()
      },
      policy_announced: announcement => this.#announced(announcement),
      lease_granted: lease => this.dispatch({ kind: 'lease_granted', lease }),
      introduction: ({ peer, initiator }) => this.#exchange?.introduce(peer, initiator),
      peer_gone: ({ peer }) => this.#exchange?.peerGone(peer),
      signal: ({ from, data }) => this.#exchange?.takeSignal(from, data),
      ...this.#stages.heard,
      refused: ({ code, detail }) => {
        // Told of a run that the server has forgotten, too: join again, and again until there is one.
        if (code === 'not_joined' || code === 'unknown_run') this.dispatch({ kind: 'not_joined' })
        else console.warn(`the server refused what it was told: ${detail ?? code}`)
      },
      // The connection will end, and come back by itself.
      bye: () => {}
    })
    cell.update({ volunteer: { memoryBytes: options.memoryBytes } })
    this.#server.connect()
  }

  dispatch(input: VolunteerInput): void {
    this.#inputs.push(input)
    if (this.#inputs.length > 1) return
    for (let next = this.#inputs[0]; next !== undefined; next = this.#inputs[0]) {
      for (const effect of stepVolunteer(this.#state, next, { now: performance.now() })) this.#carryOut(effect)
      this.#inputs.shift()
    }
    this.#publish()
  }

  start(): void {
    this.#detail = null
    this.#engineKind = null
    this.#leftPage = false
    this.dispatch({ kind: 'start' })
  }

  leavePage(): void {
    this.#leftPage = this.#state.stopped === null
    this.dispatch({ kind: 'stop' })
  }

  #carryOut(effect: VolunteerEffect): void {
    const run = this.#state.run?.id
    switch (effect.kind) {
      case 'join':
        void this.#join()
        return
      case 'leave':
        return this.#leave()
      case 'fetch_version':
        void this.#fetchVersion(effect)
        return
      case 'forget_version': {
        const removed = this.#policies?.remove(effect)
        if (removed !== undefined) this.#exchange?.forget(removed.version, removed.shared)
        return this.#engine?.dropVersion(effect.version)
      }
      case 'load_engine':
        return this.#loadEngine(effect)
      case 'use_version':
        return this.#addVersion(effect)
      case 'generate':
        return this.#engine?.generate(effect.batch)
      case 'hold_engine':
        this.#heartbeat.end()
        return this.#engine?.hold()
      case 'release_engine':
        return this.#engine?.release()
      case 'abandon_batches':
        return this.#engine?.abandon()
      case 'unload_engine':
        this.#stages.end()
        this.#heartbeat.end()
        this.#engine?.end()
        this.#engine = undefined
        return
      case 'submit':
        void this.#submit(effect.id, effect.submission)
        return
      case 'tell_held':
        return this.#server.tell('version_held', { run: run!, version: effect.version, manifestHash: effect.manifestHash })
      case 'tell_dropped':
        return this.#server.tell('version_dropped', { version: effect.version, manifestHash: effect.manifestHash })
      case 'tell_ready':
        return this.#tellJoined('slice_ready', { layers: effect.layers, engine: this.#engineKind!, rows: this.#state.rows })
      case 'want_work':
        return this.#server.tell('work_wanted', { run: run!, version: effect.version, rollouts: effect.rollouts })
      case 'wake_at':
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.dispatch({ kind: 'wake' }), Math.max(0, effect.time - performance.now()))
    }
  }

  async #join(): Promise<void> {
    const { run } = this.#options
    const store = await this.#store
    const memory = (this.#memory ??= await memoryToLend(this.#options.memoryBytes))
    const { engine, layers } = this.#state
    const held = engine === 'ready' && layers ? { held: layers } : {}
    const answer = await this.#server.ask('join', { protocol: PROTOCOL_VERSION, ...(run !== undefined && { run }), peer: this.#peer, secret: this.#secret, memory, ...held })
    if (this.#state.stopped !== null) return
    if (answer === undefined) return this.dispatch({ kind: 'join_unanswered' })
    if (answer.kind === 'welcome') return this.#welcome(answer, store)
    this.#detail = answer.detail ?? answer.code
    this.dispatch({ kind: 'join_refused', code: answer.code })
  }

  #welcome({ description, base, newest, iceServers }: Welcome, store: ChunkStore): void {
    const known = this.#policies
    const policies = known?.description.run === description.run && known.description.publicKey === description.publicKey ? known : KnownPolicies.of(description)
    if (typeof policies === 'string') return this.#refuseRun(policies)
    const baseVersion = policies.announce(base)
    if (typeof baseVersion === 'string') return this.#refuseRun(baseVersion)
    const newestVersion = policies.announce(newest)
    if (typeof newestVersion === 'string') return this.#refuseRun(newestVersion)
    this.#detail = null
    this.#stages.end()
    if (known !== undefined && policies !== known) this.#closeExchange()
    this.#policies = policies
    store.pin({ run: description.run, version: base.manifest.version })
    this.#exchange ??= new ChunkExchange({
      iceServers,
      store,
      signal: (to, data) => this.#server.tell('signal', { to, data }),
      linkLost: peer => this.#server.tell('link_lost', { peer }),
      linkUp: () => this.#stages.linkUp(),
      linkDown: peer => this.#profile.linkGone(peer),
      stageFragment: (peer, fragment) => this.#stages.fragmentFrom(peer, fragment),
      roundTrip: (peer, ms) => this.#profile.roundTrip(peer, ms),
      unavailable: version => {
        const manifestHash = this.#state.announced.get(version)
        if (manifestHash !== undefined) this.dispatch({ kind: 'version_unavailable', version, manifestHash })
      },
      changed: () => this.#publish(),
      refused: (peer, code) => console.warn(`an exchange with ${peer} was closed: ${code}`)
    })
    this.#cell.update({ description })
    this.dispatch({ kind: 'welcome', run: description.run, base: baseVersion, newest: newestVersion })
  }

  #refuseRun(fault: string): void {
    this.#detail = fault
    this.dispatch({ kind: 'run_unusable' })
  }

  #announced(announcement: PolicyAnnouncement): void {
    if (this.#policies === undefined || !this.#state.joined) return
    const announced = this.#policies.announce(announcement)
    if (typeof announced === 'string') {
      console.warn(`an announcement was refused: ${announced}`)
      return
    }
    const { layers } = this.#state
    if (layers) this.#exchange?.expect(expectedPart(this.#policies.sourcesOf(announced, layers).lineage))
    this.#exchange?.nameSuppliers(announced.version, announcement.suppliers)
    this.dispatch({ kind: 'policy_announced', announced })
  }

  async #fetchVersion({ version, manifestHash }: AnnouncedVersion): Promise<void> {
    const announced = { version, manifestHash }
    const exchange = this.#exchange!
    const layers = this.#state.layers!
    if (!(await this.#bring(announced, this.#policies!.sourcesOf(announced, layers), exchange, layers))) return
    this.dispatch({ kind: 'version_ready', ...announced })
    if (this.#state.engine === 'ready') this.#addVersion(announced)
  }

  /** @returns false when the version is not wanted any more, or cannot be had from what was published */
  async #bring({ version, manifestHash }: AnnouncedVersion, sources: PolicySources, exchange: ChunkExchange, layers: LayerRange): Promise<boolean> {
    // Of another slice other tensors are needed. A server that restarted assigns the same one again.
    const isWanted = (): boolean => this.#exchange === exchange && isSameRange(this.#state.layers, layers) && this.#state.announced.get(version) === manifestHash
    const brought = await bringPolicy(sources, { exchange, store: await this.#store, isWanted })
    if (!isWanted()) return false
    if (typeof brought !== 'string') this.#refuseRun(brought.detail ?? brought.code)
    return brought === 'here'
  }

  /** Others in the pipeline may be asked for any version that is held. */
  #addVersion(announced: AnnouncedVersion): void {
    this.#engine?.addVersion(announced, () => this.#policyTensors(announced))
  }

  #loadEngine(base: AnnouncedVersion): void {
    const engine = new EngineHost({
      crashed: reason => {
        if (this.#engine !== engine) return
        this.#detail = reason
        this.#tested = null
        this.#heartbeat.end()
        this.#stages.giveUp(reason)
        this.dispatch({ kind: 'engine_crashed' })
      },
      unreachable: reason => {
        if (this.#engine !== engine) return
        this.#detail = reason
        this.dispatch({ kind: 'engine_unreachable' })
      }
    })
    this.#engine = engine
    engine.load(() => this.#loadRequest(base), {
      finished: (batch, rollouts) => {
        this.#contribution.finished(rollouts)
        this.dispatch({ kind: 'rollouts_finished', batch, rollouts })
      },
      ended: batch => this.dispatch({ kind: 'batch_ended', batch }),
      ...this.#stages.events,
      beat: (heartbeat, computing, steps) => {
        // What was on its way when its volunteer paused it.
        if (!this.#state.paused) this.#heartbeat.heard(heartbeat, computing)
        this.#profile.steps(steps)
      }
    }, answer => this.#engineLoaded(answer))
  }

  /** @returns undefined when the base was given up meanwhile, and the engine with it */
  async #loadRequest(base: AnnouncedVersion): Promise<LoadRequest | undefined> {
    const { model, lora } = this.#policies!.description
    const layers = this.#state.layers!
    const weights = await this.#tensors(base)
    return weights && { model, lora, layers, weights, preferences: this.#options.engine, ...(this.#tested !== null && { tested: this.#tested }) }
  }

  #engineLoaded(answer: EngineTried): void {
    if (answer.kind === 'no_engine') {
      this.#detail = answer.faults.join('; ')
      return this.dispatch({ kind: 'self_test_failed' })
    }
    this.#engineKind = answer.engine
    this.#tested = answer.engine
    this.#profile.engineLoaded(answer.engine, this.#memory!, rangeLength(this.#state.layers!))
    this.dispatch({ kind: 'engine_ready', rows: answer.rows })
    for (const version of this.#state.ready) this.#addVersion({ version, manifestHash: this.#state.announced.get(version)! })
  }

  /** @returns undefined when the version was given up meanwhile */
  async #policyTensors(announced: AnnouncedVersion): Promise<PolicyTensors | undefined> {
    const { manifest } = this.#policies!.get(announced)
    const kind = manifest.kind === 'lora' ? 'adapter' : 'weights'
    if (kind === 'weights' && this.#policies!.description.lora !== null) return { kind: 'base' }
    const tensors = await this.#tensors(announced)
    return tensors && { kind, tensors }
  }

  /** The browser may have thrown chunks away since they were fetched: those are fetched again. */
  async #tensors(announced: AnnouncedVersion): Promise<Tensors | undefined> {
    const layers = this.#state.layers!
    const sources = this.#policies!.sourcesOf(announced, layers)
    const store = await this.#store
    for (;;) {
      const tensors = await assemblePolicy(sources.lineage.at(-1)!, store)
      if (tensors !== undefined) return tensors
      const exchange = this.#exchange
      if (exchange === undefined || !(await this.#bring(announced, sources, exchange, layers))) return undefined
    }
  }

  async #submit(id: number, submission: RolloutSubmission): Promise<void> {
    const answer = await this.#server.ask('rollouts_submitted', submission)
    if (answer === undefined) return this.dispatch({ kind: 'submission_unanswered', submission: id })
    if (answer.kind === 'refused') return this.dispatch({ kind: 'submission_refused', submission: id, code: answer.code })
    if (answer.kind !== 'verdicts') return
    this.#contribution.judged(answer.verdicts)
    this.dispatch({ kind: 'verdicts', submission: id, verdicts: answer.verdicts })
  }

  /** Of no use to a server that does not know us. */
  #tellJoined<Event extends keyof typeof STAGE_TELLS>(event: Event, message: v.InferOutput<(typeof STAGE_TELLS)[Event]>): void {
    if (this.#state.joined) this.#server.tell(event, message)
  }

  #leave(): void {
    this.#stages.end()
    this.#server.tell('leave', {})
    this.#closeExchange()
    this.#policies = undefined
    clearTimeout(this.#timer)
  }

  #closeExchange(): void {
    this.#bytesBefore.fromOrigin += this.#exchange?.bytesFromOrigin ?? 0
    this.#bytesBefore.fromPeers += this.#exchange?.bytesFromPeers ?? 0
    this.#exchange?.close()
    this.#exchange = undefined
  }

  #publish(): void {
    const { state, reason } = describeVolunteer(this.#state)
    this.#contribution.setWorking(state === 'generating')
    const shown: VolunteerReason | null = this.#leftPage && reason === 'user_stopped' ? 'page_left' : state === 'fetching' && this.#exchange?.unreachable === true ? 'chunks_unreachable' : reason
    const { bytesFromOrigin, bytesFromPeers } = this.#exchange ?? { bytesFromOrigin: 0, bytesFromPeers: 0 }
    const volunteer: VolunteerSnapshot = {
      memoryBytes: this.#options.memoryBytes,
      state,
      reason: shown,
      detail: shown === null ? null : this.#detail,
      layers: this.#state.layers ?? null,
      engine: this.#engineKind,
      version: this.#state.ready.includes(this.#state.newest) ? this.#state.newest : (this.#state.ready.at(-1) ?? null),
      bytesFromOrigin: this.#bytesBefore.fromOrigin + bytesFromOrigin,
      bytesFromPeers: this.#bytesBefore.fromPeers + bytesFromPeers,
      bytesSinceJoining: bytesFromOrigin + bytesFromPeers,
      links: this.#exchange?.openLinks ?? 0,
      ...this.#contribution.snapshot()
    }
    this.#cell.update({ volunteer })
    if (this.#state.joined) this.#status.report(volunteer)
  }
}

function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), byte => byte.toString(16).padStart(2, '0')).join('')
}
