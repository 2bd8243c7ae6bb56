/** What the volunteer page shows, from what the session knows. Pure: the components only lay it out. */
import type { PeerState } from '#shared/protocol/peer-status.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { formatBytes, formatInteger, formatPercent, formatRate, NOT_YET } from '../presentation/format.ts'
import { successByVersion, successSoFar } from '../presentation/held-out-success.ts'
import { runMessages } from '../presentation/run-messages.ts'
import { isOver } from '../presentation/run-phase.ts'
import type { SessionSnapshot, VolunteerReason, VolunteerSnapshot } from '../session/session-store.ts'
import { messages } from './messages.ts'
import { ownRolloutViews, type OwnRolloutView } from './own-rollouts.ts'

export interface Fact {
  readonly term: string
  readonly text: string
}

export interface Figure {
  readonly id: string
  readonly label: string
  readonly value: string
}

export interface StartOffer {
  readonly label: string
  /** What pressing it costs, on the button itself; null when that is not known yet. */
  readonly consequence: string | null
  /** `reload` where starting makes no sense with this page. */
  readonly action: 'start' | 'reload'
  readonly enabled: boolean
  /** Why it is not enabled. */
  readonly note: string | null
  /** It is not enabled because of something that is wrong. */
  readonly trouble: boolean
}

/** Colours the state: `busy` does useful work, `idle` is fine, `waiting` on something outside, `failed` needs a person. */
export type Mood = 'idle' | 'busy' | 'waiting' | 'failed'

export interface StatusView {
  readonly state: PeerState
  readonly reason: VolunteerReason | null
  readonly mood: Mood
  readonly headline: string
  readonly explanation: string
  readonly detail: string | null
}

export interface ContributionView {
  readonly figures: readonly Figure[]
  readonly fromOrigin: string
  readonly fromPeers: string
  /** Share of other tabs in the downloaded bytes, 0…1. */
  readonly peerShare: number
}

export interface RunPicture {
  readonly tabs: number
  readonly generating: number
  readonly tabsSentence: string
  readonly figures: readonly Figure[]
  /** Held-out success by version, for the small curve; empty until there are two points. */
  readonly curve: readonly { readonly version: number; readonly success: number }[]
  readonly curveSentence: string
  /** Learner steps done of those planned, 0…1. */
  readonly progress: number
}

export interface VolunteerView {
  readonly documentTitle: string
  readonly goal: string | null
  /** The numbers of the run are old ones. */
  readonly connectionLost: boolean
  readonly status: StatusView
  /** What a person should know before the start; only while stopped. */
  readonly facts: readonly Fact[] | null
  readonly start: StartOffer | null
  readonly controls: readonly ('pause' | 'resume' | 'stop')[]
  /** Download of the first version, while it lasts. */
  readonly download: { readonly fraction: number; readonly text: string } | null
  /** null until the tab has been started once. */
  readonly contribution: ContributionView | null
  /** Name of the run's environment; empty before the run's feed has told it. */
  readonly task: string
  readonly ownRollouts: readonly OwnRolloutView[]
  readonly run: RunPicture | null
  /** Stands in for the picture of the run. */
  readonly runMissing: string
}

export interface Device {
  /** The browser offers `navigator.gpu` on this page. Whether it is any good is only known after the self-test. */
  readonly webgpu: boolean
  /** Bytes of each engine, uncompressed. Where there is WebGPU both are loaded, and the faster one stays. */
  readonly engineBytes: { readonly webgpu: number; readonly wasm: number }
}

/** The most that a first start downloads before the first answer; null until a run is known. */
function firstDownloadBytes(modelBytes: number | undefined, { webgpu, engineBytes }: Device): number | null {
  return modelBytes === undefined ? null : modelBytes + engineBytes.wasm + (webgpu ? engineBytes.webgpu : 0)
}

const FAILURES: ReadonlySet<VolunteerReason> = new Set(['self_test_failed', 'engine_failed', 'page_outdated', 'refused', 'bad_policy'])
const OBSTACLES: ReadonlySet<VolunteerReason> = new Set(['offline', 'no_run', 'chunks_unreachable', 'engine_unreachable'])

function moodOf({ state, reason }: VolunteerSnapshot): Mood {
  if (reason !== null && FAILURES.has(reason)) return 'failed'
  if (reason !== null && OBSTACLES.has(reason)) return 'waiting'
  return state === 'stopped' || state === 'paused' ? 'idle' : 'busy'
}

/** null while more work may come at any moment, or something else is to be said. */
function runOver({ volunteer, feed }: SessionSnapshot): { readonly headline: string; readonly explanation: string } | null {
  if (volunteer.state !== 'waiting' || volunteer.reason === 'offline') return null
  return feed !== undefined && isOver(feed.phase) ? messages.runOver[feed.phase] : null
}

function statusView(snapshot: SessionSnapshot): StatusView {
  const { state, reason, detail } = snapshot.volunteer
  const over = runOver(snapshot)
  const words = over ?? (reason === null ? messages.state[state] : messages.reason[reason])
  return { state, reason, mood: over === null ? moodOf(snapshot.volunteer) : 'idle', headline: words.headline, explanation: words.explanation, detail }
}

function startLabel(reason: VolunteerReason | null): string {
  if (reason === null || reason === 'not_started') return messages.start.first
  return FAILURES.has(reason) ? messages.start.retry : messages.start.again
}

function obstacleToStart({ connection, description, feed }: SessionSnapshot): string | null {
  if (connection === 'offline' || connection === 'refused') return messages.notYet[connection]
  if (description === undefined) return connection === 'connecting' ? messages.notYet.connecting : messages.notYet.noRun
  if (feed?.phase === 'finished') return messages.notYet.finished
  return null
}

function startOffer(snapshot: SessionSnapshot, device: Device): StartOffer {
  const { reason } = snapshot.volunteer
  if (reason === 'page_outdated') return { label: messages.start.reload, consequence: null, action: 'reload', enabled: true, note: null, trouble: false }
  const note = obstacleToStart(snapshot)
  const bytes = firstDownloadBytes(snapshot.description?.downloadBytes, device)
  const consequence = bytes === null ? null : messages.start.consequence(formatBytes(bytes))
  return { label: startLabel(reason), consequence, action: 'start', enabled: note === null, note, trouble: snapshot.connection === 'offline' || snapshot.connection === 'refused' }
}

function factsBeforeStart(modelBytes: number | undefined, memoryBytes: number, hideAddress: boolean, device: Device): Fact[] {
  const total = firstDownloadBytes(modelBytes, device)
  const { download, engine, work, memory, sharing, stopping, never } = messages.facts
  return [
    { term: download.term, text: total === null || modelBytes === undefined ? download.unknown : download.known(formatBytes(total), formatBytes(modelBytes)) },
    { term: engine.term, text: device.webgpu ? engine.gpu : engine.processor },
    work,
    { term: memory.term, text: memory.text(formatBytes(memoryBytes)) },
    { term: sharing.term, text: hideAddress ? sharing.hidden : sharing.text },
    stopping,
    never
  ]
}

function controlsFor(state: PeerState): VolunteerView['controls'] {
  if (state === 'stopped') return []
  return state === 'paused' ? ['resume', 'stop'] : ['pause', 'stop']
}

function firstDownload({ volunteer, description }: SessionSnapshot): VolunteerView['download'] {
  if (volunteer.state !== 'fetching' || volunteer.version !== null || description === undefined || description.downloadBytes === 0) return null
  const total = description.downloadBytes
  const done = Math.min(total, volunteer.bytesSinceJoining)
  return { fraction: done / total, text: messages.download.progress(formatBytes(done), formatBytes(total)) }
}

function contributionView(volunteer: VolunteerSnapshot): ContributionView | null {
  const stopped = volunteer.state === 'stopped'
  if (stopped && volunteer.tokens === 0) return null
  const { figures, sources } = messages
  const bytes = volunteer.bytesFromOrigin + volunteer.bytesFromPeers
  const done: Figure[] = [
    { id: 'tokens', label: figures.tokens, value: formatInteger(volunteer.tokens) },
    { id: 'accepted', label: figures.accepted, value: formatInteger(volunteer.accepted) },
    { id: 'rejected', label: figures.rejected, value: formatInteger(volunteer.rejected) }
  ]
  const now: Figure[] = [
    { id: 'rate', label: figures.rate, value: formatRate(volunteer.tokensPerSecond) },
    { id: 'version', label: figures.version, value: volunteer.version === null ? NOT_YET : formatInteger(volunteer.version) },
    { id: 'links', label: figures.links, value: formatInteger(volunteer.links) },
    { id: 'layers', label: figures.layers, value: volunteer.layers === null ? NOT_YET : messages.layers(volunteer.layers.start + 1, volunteer.layers.end) }
  ]
  const engine: Figure = { id: 'engine', label: figures.engine, value: volunteer.engine === null ? NOT_YET : runMessages.engine[volunteer.engine] }
  return {
    figures: [...done, engine, ...(stopped ? [] : now)],
    fromOrigin: sources.origin(formatBytes(volunteer.bytesFromOrigin)),
    fromPeers: sources.peers(formatBytes(volunteer.bytesFromPeers)),
    peerShare: bytes === 0 ? 0 : volunteer.bytesFromPeers / bytes
  }
}

function successText(feed: RunFeed): string {
  const { before, latest } = successSoFar(feed)
  if (latest !== null) return messages.run.successNow(before === null ? NOT_YET : formatPercent(before.success), formatPercent(latest.success))
  return before === null ? messages.run.successUnknown : messages.run.successBefore(formatPercent(before.success))
}

function runPicture(feed: RunFeed): RunPicture {
  const { run } = messages
  const generating = feed.peers.filter(peer => peer.status.state === 'generating').length
  const curve = successByVersion(feed)
  const updates = feed.report.updates
  return {
    tabs: feed.peers.length,
    generating,
    tabsSentence: feed.peers.length === 0 ? run.noTabs : run.tabsSentence(feed.peers.length, generating),
    figures: [
      { id: 'success', label: run.success, value: successText(feed) },
      { id: 'accepted', label: run.accepted, value: formatInteger(feed.report.rollouts.accepted) },
      isOver(feed.phase)
        ? { id: 'rate', label: run.meanRate, value: run.rateValue(formatInteger(feed.report.throughput.generatedTokensPerSecond)) }
        : { id: 'rate', label: run.rate, value: run.rateValue(formatInteger(feed.tokensPerSecond)) },
      { id: 'updates', label: run.updates, value: run.updatesOf(formatInteger(updates), formatInteger(feed.updatesPlanned)) }
    ],
    curve: curve.length < 2 ? [] : curve,
    curveSentence: curve.length < 2 ? '' : run.successSentence(formatPercent(curve[0]!.success), formatPercent(curve.at(-1)!.success), curve.length),
    progress: feed.updatesPlanned === 0 ? 0 : Math.min(1, updates / feed.updatesPlanned)
  }
}

export function volunteerView(snapshot: SessionSnapshot, device: Device): VolunteerView {
  const { connection, description, feed, site, volunteer } = snapshot
  const status = statusView(snapshot)
  const stopped = volunteer.state === 'stopped'
  return {
    documentTitle: messages.documentTitle(status.headline),
    goal: description?.goal ?? null,
    connectionLost: feed !== undefined && connection !== 'online',
    status,
    facts: stopped ? factsBeforeStart(description?.downloadBytes, volunteer.memoryBytes, site.hideAddress, device) : null,
    start: stopped ? startOffer(snapshot, device) : null,
    controls: controlsFor(volunteer.state),
    download: firstDownload(snapshot),
    contribution: contributionView(volunteer),
    task: feed?.task ?? '',
    ownRollouts: ownRolloutViews(volunteer.ownRollouts),
    run: feed === undefined ? null : runPicture(feed),
    runMissing: description === undefined ? messages.run.none : messages.run.waiting
  }
}
