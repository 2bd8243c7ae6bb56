/**
 * Requests served by rings of tabs, in virtual time: every tab runs what has arrived as one batch, hidden states take their links'
 * time, tabs vanish and come back, and a sequence whose stage vanished is replayed (prompt and tokens so far) on another chain.
 * Which chain serves a request is asked of a chooser, so that choosers can be compared; profiles and loads are those of shared/scheduling.
 */
import type { Rng } from '../random/rng.ts'
import type { PeerId } from '../protocol/identifiers.ts'
import type { ProfileReport } from '../protocol/profile-report.ts'
import { createDeviceProfile, observeSample, reportProfile, type DeviceProfile } from '../scheduling/device-profile.ts'
import type { RequestShape } from '../scheduling/hop-cost.ts'
import { layerMs } from '../scheduling/layer-cost.ts'
import { occupyChain, releaseChain, type ChainStage, type StageLoads } from '../scheduling/stage-load.ts'
import { createEventQueue, nextEvent, schedule } from './event-queue.ts'
import { oneWayMs, type SimulatedPeer } from './fleet.ts'

/** What a chooser may know. */
export interface ServingView {
  readonly present: ReadonlySet<PeerId>
  readonly loads: StageLoads
  profileOf(peer: PeerId): ProfileReport
}

export interface ServingOptions {
  readonly fleet: readonly SimulatedPeer[]
  /** @returns undefined if no chain can be made of who is present */
  choose(view: ServingView): readonly ChainStage[] | undefined
  /** Sequences that a tab runs in one step; 1 is no batching. */
  readonly batchMost: number
  /** Clients, each of whom asks again as soon as it is answered. */
  readonly concurrent: number
  readonly shape: RequestShape
  readonly durationMs: number
  /** Of a tab: mean time present and mean time away, both exponential. Absent: nobody ever leaves. */
  readonly churn?: { readonly presentMs: number; readonly awayMs: number }
}

export interface ServedRequest {
  readonly firstTokenMs: number
  readonly endToEndMs: number
  /** Mean between successive tokens. */
  readonly interTokenMs: number
}

export interface ServingResult {
  readonly served: readonly ServedRequest[]
  /** Of all sequences, finished or not. */
  readonly tokens: number
  /** Times that a sequence had to begin again on another chain. */
  readonly replays: number
}

interface Sequence {
  readonly askedAtMs: number
  firstTokenAtMs: number
  tokens: number
  chain: readonly ChainStage[] | undefined
  /** Grows with every chain: what belongs to a former one is dropped. */
  attempt: number
  attemptedAtMs: number
}

/** A sequence's turn at a stage: one token, or everything so far if its caches there are empty. */
interface Turn {
  readonly sequence: Sequence
  readonly attempt: number
  readonly stage: number
  readonly rows: number
}

interface Tab {
  readonly peer: SimulatedPeer
  readonly profile: DeviceProfile
  waiting: Turn[]
  busy: boolean
  /** Grows whenever it vanishes. */
  life: number
}

type Event =
  | { readonly kind: 'ask' }
  | { readonly kind: 'arrive'; readonly turn: Turn }
  | { readonly kind: 'step_done'; readonly tab: Tab; readonly life: number; readonly batch: readonly Turn[]; readonly sample: StepSample }
  | { readonly kind: 'leave' | 'return'; readonly tab: Tab }
  | { readonly kind: 'absence_noticed'; readonly peer: PeerId; readonly sinceMs: number }
  | { readonly kind: 'retry'; readonly sequence: Sequence }

interface StepSample {
  readonly decodeMs: number
  readonly decodeLayers: number
  readonly decodeRows: number
}

const RETRY_MS = 500
/** A vanished tab is noticed after this long; its sequences then go on elsewhere. */
const DETECTION_MS = 2_000
const CALIBRATION_ROWS = [1, 4, 16]

export function simulateServing(options: ServingOptions, rng: Rng): ServingResult {
  const { shape, churn } = options
  const queue = createEventQueue<Event>()
  const tabs = new Map(options.fleet.map(peer => [peer.peer, createTab(peer)]))
  const present = new Set(tabs.keys())
  const loads: StageLoads = new Map()
  const running = new Set<Sequence>()
  const served: ServedRequest[] = []
  let tokens = 0
  let replays = 0
  const view: ServingView = { present, loads, profileOf: peer => reportProfile(tabs.get(peer)!.profile, queue.nowMs)! }
  const exponential = (meanMs: number): number => -meanMs * Math.log(1 - rng.float())

  const start = (sequence: Sequence): void => {
    sequence.attempt++
    sequence.attemptedAtMs = queue.nowMs
    sequence.chain = options.choose(view)
    if (sequence.chain === undefined) return schedule(queue, RETRY_MS, { kind: 'retry', sequence })
    occupyChain(loads, sequence.chain)
    schedule(queue, 0, { kind: 'arrive', turn: { sequence, attempt: sequence.attempt, stage: 0, rows: shape.promptTokens + sequence.tokens } })
  }

  const runNext = (tab: Tab): void => {
    tab.waiting = tab.waiting.filter(isCurrent)
    if (tab.busy || tab.waiting.length === 0) return
    tab.busy = true
    const batch = tab.waiting.splice(0, options.batchMost)
    const { ms, sample } = stepCost(tab.peer, batch)
    schedule(queue, ms, { kind: 'step_done', tab, life: tab.life, batch, sample })
  }

  const pass = (tab: Tab, { sequence, attempt, stage, rows }: Turn): void => {
    const chain = sequence.chain!
    const isLast = stage === chain.length - 1
    if (isLast && takeToken(sequence)) return
    const next = tabs.get(chain[isLast ? 0 : stage + 1]!.peer)!
    const sendMs = isLast ? 0 : (1000 * shape.hiddenBytes * rows) / tab.peer.uplinkBytesPerSecond
    schedule(queue, sendMs + oneWayMs(tab.peer, next.peer), { kind: 'arrive', turn: { sequence, attempt, stage: isLast ? 0 : stage + 1, rows: isLast ? 1 : rows } })
  }

  /** @returns whether it was the last token */
  const takeToken = (sequence: Sequence): boolean => {
    tokens++
    sequence.tokens++
    if (sequence.tokens === 1) sequence.firstTokenAtMs = queue.nowMs
    if (sequence.tokens < shape.newTokens) return false
    releaseChain(loads, sequence.chain!)
    running.delete(sequence)
    const firstTokenMs = sequence.firstTokenAtMs - sequence.askedAtMs
    const endToEndMs = queue.nowMs - sequence.askedAtMs
    served.push({ firstTokenMs, endToEndMs, interTokenMs: (endToEndMs - firstTokenMs) / Math.max(1, shape.newTokens - 1) })
    schedule(queue, 0, { kind: 'ask' })
    return true
  }

  for (let client = 0; client < options.concurrent; client++) schedule(queue, client, { kind: 'ask' })
  if (churn !== undefined) for (const tab of tabs.values()) schedule(queue, exponential(churn.presentMs), { kind: 'leave', tab })

  for (let event = nextEvent(queue); event !== undefined && queue.nowMs < options.durationMs; event = nextEvent(queue)) {
    switch (event.kind) {
      case 'ask': {
        const sequence: Sequence = { askedAtMs: queue.nowMs, firstTokenAtMs: 0, tokens: 0, chain: undefined, attempt: 0, attemptedAtMs: 0 }
        running.add(sequence)
        start(sequence)
        break
      }
      case 'retry':
        start(event.sequence)
        break
      case 'arrive': {
        if (!isCurrent(event.turn)) break
        const { peer } = event.turn.sequence.chain![event.turn.stage]!
        if (!present.has(peer)) break
        const tab = tabs.get(peer)!
        tab.waiting.push(event.turn)
        runNext(tab)
        break
      }
      case 'step_done':
        if (event.life !== event.tab.life) break
        event.tab.busy = false
        observeDecode(event.tab.profile, event.sample, queue.nowMs)
        for (const turn of event.batch) if (isCurrent(turn)) pass(event.tab, turn)
        runNext(event.tab)
        break
      case 'leave':
        present.delete(event.tab.peer.peer)
        event.tab.life++
        event.tab.busy = false
        event.tab.waiting = []
        schedule(queue, DETECTION_MS, { kind: 'absence_noticed', peer: event.tab.peer.peer, sinceMs: queue.nowMs })
        schedule(queue, exponential(churn!.awayMs), { kind: 'return', tab: event.tab })
        break
      case 'absence_noticed':
        for (const sequence of running) {
          const { chain, attemptedAtMs } = sequence
          if (attemptedAtMs > event.sinceMs || chain?.some(stage => stage.peer === event.peer) !== true) continue
          replays++
          releaseChain(loads, chain)
          start(sequence)
        }
        break
      case 'return':
        present.add(event.tab.peer.peer)
        schedule(queue, exponential(churn!.presentMs), { kind: 'leave', tab: event.tab })
    }
  }
  return { served, tokens, replays }
}

function createTab(peer: SimulatedPeer): Tab {
  const profile = createDeviceProfile('webgpu', { memoryBytes: 0, largestTensorBytes: 0 })
  for (const rows of CALIBRATION_ROWS) {
    observeSample(profile, { kind: 'decode', rows, layers: 1, ms: layerMs(peer.decode, rows) }, 0)
    observeSample(profile, { kind: 'prefill', rows: rows * 8, layers: 1, ms: layerMs(peer.prefill, rows * 8) }, 0)
  }
  return { peer, profile, waiting: [], busy: false, life: 0 }
}

function isCurrent({ sequence, attempt }: Turn): boolean {
  return sequence.attempt === attempt
}

/** Rows of decode share the fixed cost of the deepest of their stages, and so do prompts among themselves. */
function stepCost(peer: SimulatedPeer, batch: readonly Turn[]): { ms: number; sample: StepSample } {
  const cost = (turns: readonly Turn[], line: SimulatedPeer['decode']) => {
    const depths = turns.map(({ sequence, stage }) => sequence.chain![stage]!.layers).map(({ start, end }) => end - start)
    const layers = Math.max(0, ...depths)
    return { layers, ms: line.fixedMs * layers + line.perRowMs * depths.reduce((sum, depth, index) => sum + depth * turns[index]!.rows, 0) }
  }
  const decoding = batch.filter(({ rows }) => rows === 1)
  const decode = cost(decoding, peer.decode)
  const prefill = cost(batch.filter(({ rows }) => rows > 1), peer.prefill)
  return { ms: decode.ms + prefill.ms, sample: { decodeMs: decode.ms, decodeLayers: decode.layers, decodeRows: decoding.length } }
}

function observeDecode(profile: DeviceProfile, { decodeMs, decodeLayers, decodeRows }: StepSample, nowMs: number): void {
  if (decodeRows > 0) observeSample(profile, { kind: 'decode', rows: decodeRows, layers: decodeLayers, ms: decodeMs }, nowMs)
}
