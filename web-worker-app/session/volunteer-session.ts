import { describeVolunteer, stepVolunteer } from '#shared/coordination/volunteer.ts'
import { createVolunteer, type AnnouncedVersion, type VolunteerEffect, type VolunteerInput } from '#shared/coordination/volunteer-state.ts'
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { peerIdOf, signJoin } from '#shared/dissemination/peer-identity.ts'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { RunId } from '#shared/protocol/identifiers.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { RolloutSubmission } from '#shared/protocol/rollout.ts'
import type { v } from '#shared/protocol/schema.ts'
import type { STAGE_TELLS } from '#shared/protocol/stage-messages.ts'
import type { JoinRequest, OriginAsk, PolicyAnnouncement, Welcome } from '#shared/protocol/volunteer-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { isSameRange, rangeLength } from '#shared/scheduling/layer-range.ts'
import type { MemoryBudget } from '#shared/scheduling/memory-budget.ts'
import { logFault } from '../mesh/exchange-fault.ts'
import type { Reachability } from '../mesh/reachability.ts'
import type { EngineTried, LoadRequest, PolicyTensors } from '../worker/stage-worker-api.ts'
import { Contribution } from './contribution.ts'
import { EngineSession } from './engine-session.ts'
import { HeartbeatRelay } from './heartbeat-relay.ts'
import { KnownPolicies } from './known-policies.ts'
import { memoryToLend } from './memory-to-lend.ts'
import type { PageOptions } from './page-options.ts'
import { SelfProfile } from './self-profile.ts'
import { ServerConnection } from './server-connection.ts'
import type { SnapshotCell, VolunteerReason, VolunteerSnapshot } from './session-store.ts'
import { StageSession } from './stage-session.ts'
import { StatusReporter } from './status-reporter.ts'
import { TabNetwork } from './tab-network.ts'

/** Carries out what the volunteer machine decides: socket, network worker and stage worker hang on this. */
export class VolunteerSession {
  readonly #options: PageOptions
  readonly #cell: SnapshotCell
  readonly #network: TabNetwork
  readonly #server: ServerConnection
  readonly #status: StatusReporter
  readonly #state = createVolunteer()
  readonly #inputs: VolunteerInput[] = []
  /** Of this page load: a reload is a new peer. */
  readonly #key = signingKeyFrom(crypto.getRandomValues(new Uint8Array(32)))
  readonly #peer = peerIdOf(this.#key.publicKey)
  /** Of this connection. */
  #challenge = ''
  #contribution = new Contribution(() => performance.now())
  #policies: KnownPolicies | undefined
  readonly #engine: EngineSession
  #memory: MemoryBudget | undefined
  readonly #profile = new SelfProfile(report => this.#tellJoined('profile', report), () => performance.now())
  readonly #heartbeat = new HeartbeatRelay(heartbeat => this.#tellJoined('heartbeat', heartbeat), () => performance.now())
  readonly #stages = new StageSession({
    network: () => this.#network.host,
    engine: () => (this.#state.engine === 'ready' ? this.#engine.host : undefined),
    tell: (event, message) => this.#tellJoined(event, message),
    dispatch: input => this.dispatch(input)
  })
  #timer: ReturnType<typeof setTimeout> | undefined
  #detail: string | null = null
  #leftPage = false

  /** @param hidesAddress from other volunteers, as the person prefers at the moment */
  constructor(options: PageOptions, cell: SnapshotCell, hidesAddress: () => Promise<boolean>) {
    this.#options = options
    this.#cell = cell
    this.#network = new TabNetwork({ capBytes: options.storageBytes, hidesAddress, changed: () => this.#publish() })
    this.#engine = new EngineSession({
      request: base => this.#loadRequest(base),
      events: {
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
      },
      loaded: answer => this.#engineLoaded(answer),
      crashed: reason => {
        this.#detail = reason
        this.#heartbeat.end()
        this.#stages.giveUp(reason)
        this.dispatch({ kind: 'engine_crashed' })
      },
      unreachable: reason => {
        this.#detail = reason
        this.dispatch({ kind: 'engine_unreachable' })
      }
    })
    this.#status = new StatusReporter(status => this.#server.tell('peer_status', status))
    this.#server = new ServerConnection({ role: 'volunteer' }, {
      connection: connection => {
        cell.update({ connection })
        if (connection !== 'online') this.#stages.disconnected()
        if (connection !== 'online') this.dispatch({ kind: 'disconnected' })
      },
      challenge: ({ challenge }) => {
        this.#challenge = challenge
        this.dispatch({ kind: 'connected' })
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
      ice_servers: ({ iceServers }) => this.#network.links.offered(iceServers),
      introduction: ({ peer, initiator }) => this.#network.host?.introduce(peer, initiator),
      peer_gone: ({ peer }) => this.#network.host?.peerGone(peer),
      signal: ({ from, data }) => this.#network.host?.takeSignal(from, data),
      ...this.#stages.heard,
      refused: ({ code, detail }) => {
        // Told of a run that the server has forgotten, too: join again, and again until there is one.
        if (code === 'not_joined' || code === 'unknown_run') this.dispatch({ kind: 'not_joined' })
        else console.warn(`the server refused what it was told: ${detail ?? code}`)
      }
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
    this.#engine.kind = null
    this.#leftPage = false
    this.#network.start()
    this.dispatch({ kind: 'start' })
  }

  checkReachability(): Promise<Reachability> {
    return this.#network.links.checkReachability()
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
        if (removed !== undefined) this.#network.host?.forget(removed.version, removed.shared)
        return this.#engine.host?.dropVersion(effect.version)
      }
      case 'load_engine':
        return this.#engine.load(effect)
      case 'use_version':
        return this.#addVersion(effect)
      case 'generate':
        return this.#engine.host?.generate(effect.batch)
      case 'hold_engine':
        this.#heartbeat.end()
        return this.#engine.host?.hold()
      case 'release_engine':
        return this.#engine.host?.release()
      case 'abandon_batches':
        return this.#engine.host?.abandon()
      case 'unload_slice':
        this.#stages.end()
        this.#heartbeat.end()
        return this.#engine.unloadSlice()
      case 'unload_engine':
        this.#stages.end()
        this.#heartbeat.end()
        return this.#engine.end()
      case 'submit':
        void this.#submit(effect.id, effect.submission)
        return
      case 'tell_held':
        return this.#server.tell('version_held', { run: run!, version: effect.version, manifestHash: effect.manifestHash })
      case 'tell_dropped':
        return this.#server.tell('version_dropped', { version: effect.version, manifestHash: effect.manifestHash })
      case 'tell_ready':
        return this.#tellJoined('slice_ready', { layers: effect.layers, engine: this.#engine.kind!, rows: this.#state.rows })
      case 'want_work':
        return this.#server.tell('work_wanted', { run: run!, version: effect.version, rollouts: effect.rollouts })
      case 'wake_at':
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.dispatch({ kind: 'wake' }), Math.max(0, effect.time - performance.now()))
    }
  }

  async #join(): Promise<void> {
    const { run } = this.#options
    await this.#network.links.choose()
    const memory = (this.#memory ??= await memoryToLend(this.#options.memoryBytes))
    const { engine, layers } = this.#state
    const held = engine === 'ready' && layers ? { held: layers } : {}
    const answer = await this.#server.ask('join', { protocol: PROTOCOL_VERSION, ...(run !== undefined && { run }), ...this.#proof(run), memory, ...held, linked: this.#network.host?.linkedPeers ?? [] })
    if (this.#state.stopped !== null) return
    if (answer === undefined) return this.dispatch({ kind: 'join_unanswered' })
    if (answer.kind === 'welcome') return this.#welcome(answer)
    this.#detail = answer.detail ?? answer.code
    this.dispatch({ kind: 'join_refused', code: answer.code })
  }

  #proof(run: RunId | undefined): Pick<JoinRequest, 'publicKey' | 'signature'> {
    const terms = { protocol: PROTOCOL_VERSION, server: location.host, challenge: this.#challenge, run }
    return { publicKey: this.#key.publicKey, signature: signJoin(terms, this.#key) }
  }

  #welcome({ description, base, newest, iceServers }: Welcome): void {
    const known = this.#policies
    const policies = known?.description.run === description.run && known.description.publicKey === description.publicKey ? known : KnownPolicies.of(description)
    if (typeof policies === 'string') return this.#refuseRun(policies)
    const baseVersion = policies.announce(base)
    if (typeof baseVersion === 'string') return this.#refuseRun(baseVersion)
    const newestVersion = policies.announce(newest)
    if (typeof newestVersion === 'string') return this.#refuseRun(newestVersion)
    this.#detail = null
    this.#stages.end()
    if (known !== undefined && policies !== known) this.#network.close()
    this.#policies = policies
    this.#network.links.joined(iceServers)
    const network = this.#network.open({
      signal: (to, data) => this.#server.tell('signal', { to, data }),
      linkLost: peer => this.#server.tell('link_lost', { peer }),
      connectionsUsedUp: () => console.warn(`${location.host} has introduced this tab ${LIMITS.connectionsPerPage} times: it links to nobody else, and fetches from the server, until it is reloaded`),
      linkUp: () => this.#stages.linkUp(),
      linkDown: peer => this.#profile.linkGone(peer),
      roundTrip: (peer, ms) => this.#profile.roundTrip(peer, ms),
      uploaded: (bytes, ms) => this.#profile.uploaded(bytes, ms),
      grant: ask => this.#askGrant(ask),
      unavailable: version => {
        const manifestHash = this.#state.announced.get(version)
        if (manifestHash !== undefined) this.dispatch({ kind: 'version_unavailable', version, manifestHash })
      },
      fault: logFault
    })
    network.pin({ run: description.run, version: base.manifest.version })
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
    this.dispatch({ kind: 'policy_announced', announced })
  }

  async #fetchVersion({ version, manifestHash }: AnnouncedVersion): Promise<void> {
    const announced = { version, manifestHash }
    const network = this.#network.host!
    const layers = this.#state.layers!
    if (!(await this.#bring(announced, this.#policies!.lineageOf(announced, layers)))) return
    // Of another slice other tensors are needed. A server that restarted assigns the same one again.
    if (this.#network.host !== network || !isSameRange(this.#state.layers, layers)) return
    this.dispatch({ kind: 'version_ready', ...announced })
    if (this.#state.engine === 'ready') this.#addVersion(announced)
  }

  /** @returns false when the version is not wanted any more, or cannot be had from what was published */
  async #bring({ version, manifestHash }: AnnouncedVersion, lineage: readonly PartOfManifest[]): Promise<boolean> {
    const brought = (await this.#network.host?.bring(lineage)) ?? 'given_up'
    if (typeof brought === 'string' || this.#state.announced.get(version) !== manifestHash) return brought === 'here'
    this.#refuseRun(brought.detail ?? brought.code)
    return false
  }

  /** @returns hashes; undefined when the server does not say */
  async #askGrant(ask: OriginAsk): Promise<string[] | undefined> {
    const { version } = ask
    const manifestHash = this.#state.announced.get(version)
    if (manifestHash === undefined || !this.#state.joined) return undefined
    const answer = await this.#server.ask('origin_wanted', { ...ask, manifestHash })
    if (answer?.kind !== 'origin_granted' || this.#policies === undefined || this.#state.announced.get(version) !== manifestHash) return undefined
    return this.#policies.chunksAt({ version, manifestHash }, answer.chunks)
  }

  /** Others in the pipeline may be asked for any version that is held. */
  #addVersion(announced: AnnouncedVersion): void {
    this.#engine.host?.addVersion(announced, () => this.#policyTensors(announced))
  }

  /** @returns undefined when the base was given up meanwhile, and the engine with it */
  async #loadRequest(base: AnnouncedVersion): Promise<Omit<LoadRequest, 'known'> | undefined> {
    const { model, lora } = this.#policies!.description
    const layers = this.#state.layers!
    const weights = await this.#tensors(base)
    return weights && { model, lora, layers, weights, preferences: this.#options.engine }
  }

  #engineLoaded(answer: EngineTried): void {
    if (answer.kind === 'no_engine') {
      this.#detail = answer.faults.join('; ')
      return this.dispatch({ kind: 'self_test_failed' })
    }
    this.#profile.engineLoaded(answer.engine, this.#memory!, rangeLength(this.#state.layers!), answer.steps)
    this.dispatch({ kind: 'engine_ready', rows: answer.rows })
    for (const version of this.#state.ready) this.#addVersion({ version, manifestHash: this.#state.announced.get(version)! })
  }

  /** @returns undefined when the version was given up meanwhile */
  async #policyTensors(announced: AnnouncedVersion): Promise<PolicyTensors | undefined> {
    const kind = this.#policies!.get(announced).manifest.kind === 'lora' ? 'adapter' : 'weights'
    if (kind === 'weights' && this.#policies!.description.lora !== null) return { kind: 'base' }
    const tensors = await this.#tensors(announced)
    return tensors && { kind, tensors }
  }

  /** The browser may have thrown chunks away since they were fetched: those are fetched again. */
  async #tensors(announced: AnnouncedVersion): Promise<Tensors | undefined> {
    const lineage = this.#policies!.lineageOf(announced, this.#state.layers!)
    const network = this.#network.host
    for (;;) {
      const tensors = await network?.assemble(lineage.at(-1)!)
      if (tensors !== undefined) return tensors
      if (!(await this.#bring(announced, lineage))) return undefined
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
    this.#network.close()
    this.#policies = undefined
    clearTimeout(this.#timer)
  }

  #publish(): void {
    const { state, reason } = describeVolunteer(this.#state)
    this.#contribution.setWorking(state === 'generating')
    const shown: VolunteerReason | null = this.#leftPage && reason === 'user_stopped' ? 'page_left' : state === 'fetching' && this.#network.host?.unreachable === true ? 'chunks_unreachable' : reason
    const volunteer: VolunteerSnapshot = {
      memoryBytes: this.#options.memoryBytes,
      state,
      reason: shown,
      detail: shown === null ? null : this.#detail,
      layers: this.#state.layers ?? null,
      engine: this.#engine.kind,
      version: this.#state.ready.includes(this.#state.newest) ? this.#state.newest : (this.#state.ready.at(-1) ?? null),
      ...this.#network.snapshot(),
      paths: [...this.#network.links.paths, ...this.#stages.relayed()],
      ...this.#contribution.snapshot()
    }
    this.#cell.update({ volunteer })
    if (this.#state.joined) this.#status.report(volunteer)
  }
}
