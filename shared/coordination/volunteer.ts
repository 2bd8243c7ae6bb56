/**
 * The volunteering tab as a machine: joining → fetching → testing → waiting ⇄ generating (or computing layers for other tabs), paused and stopped.
 * It decides; the page's session carries out the effects and reports what came of them.
 */
import type { PeerState } from '../protocol/peer-status.ts'
import type { RefusalCode } from '../protocol/refusal.ts'
import type { RolloutSubmission } from '../protocol/rollout.ts'
import { addLease, dropExpired, queuedRollouts, sampleKey, takeBatch } from './lease-queue.ts'
import { assignSlice, forgetBatch, freeRows, inProgress, rowsAtOnce, takeBack, versionsToGenerate } from './volunteer-engine.ts'
import { createVolunteer, type AnnouncedVersion, type FinishedRollout, type LifecycleInput, type StopReason, type VolunteerEffect, type VolunteerInput, type VolunteerState, type WorkInput } from './volunteer-state.ts'
import { announce, dropVersion, fetchNext, forgetOld, tellHeld, touch, versionUnavailable } from './volunteer-versions.ts'

/** Milliseconds between two attempts at what was refused for the moment, lost, or not granted. */
export const RETRY_MS = 5_000
/** Fewer free rows than this part of all are not worth a prefill of their own. */
const REFILL_FRACTION = 1 / 4
/** Work on hand is filled up to this many engine batches when it falls to one. */
const BATCHES_ON_HAND = 2

type Emit = (effect: VolunteerEffect) => void

/** Applies one input to `state` in place. @returns what to do, in order */
export function stepVolunteer(state: VolunteerState, input: VolunteerInput, { now }: { readonly now: number }): VolunteerEffect[] {
  const effects: VolunteerEffect[] = []
  const emit: Emit = effect => effects.push(effect)
  apply(state, input, now, emit)
  if (state.stopped === null) advance(state, now, emit)
  return effects
}

/** What people are shown. The reason is null where the state speaks for itself. */
export function describeVolunteer(state: VolunteerState): { state: PeerState; reason: StopReason | 'user_paused' | 'offline' | 'engine_unreachable' | 'no_run' | 'no_work' | 'no_layers' | 'no_place' | null } {
  if (state.stopped !== null) return { state: 'stopped', reason: state.stopped }
  if (state.paused) return { state: 'paused', reason: 'user_paused' }
  if (state.running.length > 0 || state.peopleWaiting > 0) return { state: 'generating', reason: null }
  const hindrance = state.online ? null : 'offline'
  if (state.run === null) return { state: 'joining', reason: hindrance ?? (state.runMissing ? 'no_run' : null) }
  if (state.layers === undefined) return { state: 'joining', reason: hindrance }
  if (state.layers === null) return { state: 'waiting', reason: hindrance ?? 'no_layers' }
  if (state.engine === 'loading') return { state: 'testing', reason: null }
  if (state.engine === 'none' || !state.caughtUp) return { state: 'fetching', reason: hindrance ?? (state.reloadAt === null ? null : 'engine_unreachable') }
  if (state.place !== null && state.place.stage > 0) return { state: 'computing', reason: null }
  const without = state.runMissing ? 'no_run' : versionsToGenerate(state).length === 0 ? 'no_place' : 'no_work'
  return { state: 'waiting', reason: hindrance ?? without }
}

function apply(state: VolunteerState, input: VolunteerInput, now: number, emit: Emit): void {
  if (isLifecycle(input)) applyLifecycle(state, input, emit)
  else if (state.stopped === null) applyWork(state, input, now, emit)
}

function isLifecycle(input: VolunteerInput): input is LifecycleInput {
  return input.kind === 'start' || input.kind === 'stop' || input.kind === 'connected' || input.kind === 'disconnected'
}

function applyLifecycle(state: VolunteerState, { kind }: LifecycleInput, emit: Emit): void {
  switch (kind) {
    case 'start':
      if (state.stopped === null) return
      Object.assign(state, createVolunteer(), { stopped: null, online: state.online })
      return join(state, emit)
    case 'stop':
      return stop(state, 'user_stopped', emit)
    case 'connected':
      state.online = true
      state.reloadAt = null
      if (state.stopped === null) join(state, emit)
      return
    case 'disconnected':
      state.online = false
      state.joining = false
      state.joined = false
      state.retryAt = null
      state.retellAt = null
      state.wish.rollouts = 0
      for (const pending of state.outbox.values()) pending.sent = false
  }
}

function applyWork(state: VolunteerState, input: WorkInput, now: number, emit: Emit): void {
  switch (input.kind) {
    case 'pause':
      if (!state.paused && state.engine === 'ready') emit({ kind: 'hold_engine' })
      state.paused = true
      return
    case 'resume':
      if (state.paused) resume(state, now, emit)
      return
    case 'run_described':
      state.runMissing = false
      state.wish.rollouts = 0
      if (!state.joined || state.run?.id !== input.run) join(state, emit)
      return
    case 'welcome':
      return welcome(state, input.run, input.base, input.newest, emit)
    case 'join_refused':
      return joinRefused(state, input.code, now, emit)
    case 'join_unanswered':
      state.joining = false
      state.retryAt = now + RETRY_MS
      return
    case 'not_joined':
      return rejoin(state, emit)
    case 'policy_announced':
      if (state.run !== null) announce(state, input.announced, emit)
      return
    case 'version_ready':
      if (state.announced.get(input.version) !== input.manifestHash) return
      if (state.fetching === input.version) state.fetching = null
      touch(state, input.version)
      return tellHeld(state, input.version, emit)
    case 'version_unavailable':
      return versionUnavailable(state, input, emit)
    case 'run_unusable':
      return stop(state, 'bad_policy', emit)
    case 'engine_ready':
      state.engine = 'ready'
      state.rows = input.rows
      if (state.paused) emit({ kind: 'hold_engine' })
      return tellReady(state, emit)
    case 'slice_assigned':
      return assignSlice(state, input.layers, emit)
    case 'place_assigned':
      state.place = { stage: input.stage, rows: input.rows, versions: [] }
      return
    case 'pipeline_open':
      if (state.place !== null) state.place.versions = input.versions
      return
    case 'place_lost':
      state.place = null
      return
    case 'people_waiting':
      state.peopleWaiting = input.answers
      return
    case 'self_test_failed':
      return stop(state, 'self_test_failed', emit)
    case 'engine_unreachable':
      state.engine = 'none'
      state.reloadAt = now + RETRY_MS
      return
    case 'engine_crashed':
      return engineCrashed(state, emit)
    case 'lease_granted': {
      const { lease } = input
      if (lease.run !== state.run?.id) return
      state.wish.rollouts = Math.max(0, state.wish.rollouts - lease.prompts.reduce((total, { samples }) => total + samples.length, 0))
      const announced = state.announced.get(lease.version)
      if (announced === undefined || announced === lease.manifestHash) addLease(state.queue, lease, now)
      if (state.wish.rollouts === 0) state.retellAt = null
      return
    }
    case 'rollouts_finished':
      if (state.running.some(({ id }) => id === input.batch)) submitFinished(state, input.rollouts)
      return
    case 'batch_ended':
      return endBatch(state, input.batch)
    case 'verdicts':
      state.outbox.delete(input.submission)
      return
    case 'submission_refused':
      return submissionRefused(state, input.submission, input.code, now, emit)
    case 'submission_unanswered':
      return sendAgain(state, input.submission, now)
    case 'wake':
      return wake(state, now, emit)
  }
}

/** Everything that follows from the state alone, whatever input led to it. */
function advance(state: VolunteerState, now: number, emit: Emit): void {
  dropExpired(state.queue, now)
  if (state.run !== null && state.layers) {
    fetchNext(state, emit)
    if (state.engine === 'none' && state.reloadAt === null && state.ready.includes(state.run.base.version)) {
      state.engine = 'loading'
      emit({ kind: 'load_engine', ...state.run.base })
    }
    state.caughtUp ||= state.ready.includes(state.newest)
    if (state.engine === 'ready' && state.caughtUp && !state.paused) generateNext(state, emit)
  }
  if (state.run !== null) {
    askForWork(state, now, emit)
    forgetOld(state, emit)
    sendOutbox(state, emit)
  }
  scheduleWake(state, emit)
}

/** Fills the engine's free rows. Work of another version waits until all of the running one is done. */
function generateNext(state: VolunteerState, emit: Emit): void {
  const [running] = state.running
  const free = freeRows(state)
  if (running !== undefined && free < rowsAtOnce(state) * REFILL_FRACTION) return
  const versions = versionsToGenerate(state)
  const isReady = (version: number, hash: string): boolean => versions.includes(version) && state.announced.get(version) === hash
  const next = state.queue.leases.find(lease => isReady(lease.version, lease.manifestHash))
  if (next === undefined || (running !== undefined && running.manifestHash !== next.manifestHash)) return
  const batch = takeBatch(state.queue, next, ++state.batches, free)
  state.running.push(batch)
  if (state.inUse !== batch.manifestHash) emit({ kind: 'use_version', version: batch.version, manifestHash: batch.manifestHash })
  state.inUse = batch.manifestHash
  touch(state, batch.version)
  emit({ kind: 'generate', batch })
}

function askForWork(state: VolunteerState, now: number, emit: Emit): void {
  if (!state.joined) return
  const onHand = queuedRollouts(state.queue) + inProgress(state)
  const rows = rowsAtOnce(state)
  const low = onHand <= (BATCHES_ON_HAND - 1) * rows
  const versions = versionsToGenerate(state)
  const version = versions.includes(state.newest) ? state.newest : Math.max(0, ...versions)
  const idle = state.paused || state.engine !== 'ready' || !state.caughtUp || versions.length === 0
  const rollouts = idle ? 0 : low ? Math.max(state.wish.rollouts, BATCHES_ON_HAND * rows - onHand) : state.wish.rollouts
  if (rollouts === state.wish.rollouts && (rollouts === 0 || version === state.wish.version)) return
  state.wish = { version, rollouts }
  state.retellAt = rollouts > 0 ? now + RETRY_MS : null
  emit({ kind: 'want_work', version, rollouts })
}

function sendOutbox(state: VolunteerState, emit: Emit): void {
  if (!state.joined || state.retryAt !== null) return
  for (const [id, pending] of state.outbox) {
    if (pending.sent) continue
    pending.sent = true
    emit({ kind: 'submit', id, submission: pending.submission })
  }
}

function scheduleWake(state: VolunteerState, emit: Emit): void {
  const times = state.queue.leases.map(({ expires }) => expires)
  for (const time of [state.retryAt, state.retellAt, state.reloadAt]) if (time !== null) times.push(time)
  const next = times.length === 0 ? null : Math.min(...times)
  if (next !== null && next !== state.wakeAt) emit({ kind: 'wake_at', time: next })
  state.wakeAt = next
}

function join(state: VolunteerState, emit: Emit): void {
  if (!state.online || state.joining) return
  state.joining = true
  emit({ kind: 'join' })
}

function rejoin(state: VolunteerState, emit: Emit): void {
  state.joined = false
  state.wish.rollouts = 0
  join(state, emit)
}

function welcome(state: VolunteerState, run: string, base: AnnouncedVersion, newest: AnnouncedVersion, emit: Emit): void {
  if (state.run !== null && (state.run.id !== run || state.run.base.manifestHash !== base.manifestHash)) forgetRun(state, emit)
  state.run ??= { id: run, base }
  state.joining = false
  state.joined = true
  // Whoever lets us in gives us another.
  state.place = null
  state.runMissing = false
  state.retryAt = null
  state.announced.set(base.version, base.manifestHash)
  announce(state, newest, emit)
  for (const version of state.ready) tellHeld(state, version, emit)
}

function tellReady({ layers }: VolunteerState, emit: Emit): void {
  if (layers) emit({ kind: 'tell_ready', layers })
}

/** The server leads another run now, or another base model under the same name: nothing of the old one is of use. */
function forgetRun(state: VolunteerState, emit: Emit): void {
  if (state.engine !== 'none') emit({ kind: 'unload_engine' })
  for (const version of state.announced.keys()) dropVersion(state, version, emit)
  Object.assign(state, createVolunteer(), { stopped: null, paused: state.paused, online: state.online, batches: state.batches, submissions: state.submissions })
}

function submitFinished(state: VolunteerState, finished: readonly FinishedRollout[]): void {
  const byLease = new Map<string, RolloutSubmission['rollouts']>()
  for (const { lease, rollout } of finished) {
    const key = sampleKey(lease, rollout.prompt, rollout.index)
    if (state.finished.has(key)) continue
    state.finished.add(key)
    byLease.set(lease, [...(byLease.get(lease) ?? []), rollout])
  }
  for (const [lease, rollouts] of byLease) state.outbox.set(++state.submissions, { submission: { run: state.run!.id, lease, rollouts }, sent: false })
}

function endBatch(state: VolunteerState, id: number): void {
  const ended = state.running.find(batch => batch.id === id)
  if (ended === undefined) return
  forgetBatch(state, ended)
  state.crashes = 0
}

function submissionRefused(state: VolunteerState, id: number, code: RefusalCode, now: number, emit: Emit): void {
  if (code === 'not_joined') rejoin(state, emit)
  if (code === 'not_joined' || code === 'no_trainer' || code === 'no_leader' || code === 'unknown_run' || code === 'too_many_requests') sendAgain(state, id, now)
  else state.outbox.delete(id)
}

function sendAgain(state: VolunteerState, id: number, now: number): void {
  const pending = state.outbox.get(id)
  if (pending === undefined) return
  pending.sent = false
  state.retryAt ??= now + RETRY_MS
}

function joinRefused(state: VolunteerState, code: RefusalCode, now: number, emit: Emit): void {
  if (code === 'unsupported_protocol') return stop(state, 'page_outdated', emit)
  state.joining = false
  const passing = code === 'no_trainer' || code === 'unknown_run' || code === 'too_many_requests' || code === 'server_full' || code === 'draining' || code === 'no_leader'
  if (!passing) return stop(state, 'refused', emit)
  state.runMissing = code === 'no_trainer' || code === 'unknown_run'
  state.retryAt = now + RETRY_MS
}

function engineCrashed(state: VolunteerState, emit: Emit): void {
  state.crashes++
  if (state.crashes > 1) return stop(state, 'engine_failed', emit)
  takeBack(state)
  state.inUse = null
  state.place = null
  state.engine = 'none'
}

function resume(state: VolunteerState, now: number, emit: Emit): void {
  state.paused = false
  if (state.engine !== 'ready') return
  if (state.running.some(({ expires }) => expires <= now)) {
    takeBack(state)
    emit({ kind: 'abandon_batches' })
  }
  emit({ kind: 'release_engine' })
}

function wake(state: VolunteerState, now: number, emit: Emit): void {
  state.wakeAt = null
  if (state.retryAt !== null && state.retryAt <= now) {
    state.retryAt = null
    if (!state.joined) join(state, emit)
  }
  if (state.reloadAt !== null && state.reloadAt <= now) state.reloadAt = null
  if (state.retellAt !== null && state.retellAt <= now) {
    // A wish may have been lost with a trainer that restarted; it is a level, so saying it again does no harm.
    state.retellAt = null
    state.wish.rollouts = 0
  }
}

function stop(state: VolunteerState, reason: StopReason, emit: Emit): void {
  if (state.stopped !== null) return
  if (state.engine !== 'none') emit({ kind: 'unload_engine' })
  emit({ kind: 'leave' })
  Object.assign(state, createVolunteer(), { stopped: reason, online: state.online })
}
