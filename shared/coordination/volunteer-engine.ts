/** What the tab's engine has: its slice, its place in a pipeline, and the batches that it generates there. */
import { isSameRange, type LayerRange } from '../scheduling/layer-range.ts'
import { putBack, sampleCount, sampleKeys, type Batch } from './lease-queue.ts'
import type { VolunteerEffect, VolunteerState } from './volunteer-state.ts'

type Emit = (effect: VolunteerEffect) => void

/** Another slice is loaded anew, and every version is held again only when the tensors of the new slice are here. */
export function assignSlice(state: VolunteerState, layers: LayerRange | null, emit: Emit): void {
  const former = state.layers
  state.layers = layers
  if (former !== undefined && isSameRange(former, layers)) {
    if (layers !== null && state.engine === 'ready') emit({ kind: 'tell_ready', layers })
    return
  }
  if (state.engine !== 'none') emit({ kind: layers === null ? 'unload_engine' : 'unload_slice' })
  takeBack(state)
  for (const version of state.ready) if (state.joined) emit({ kind: 'tell_dropped', version, manifestHash: state.announced.get(version)! })
  Object.assign(state, { engine: 'none', inUse: null, place: null, ready: [], fetching: null, caughtUp: false })
}

/** Versions that are here and that every stage of the pipeline holds, while it is open and this is its first stage. */
export function versionsToGenerate({ ready, place }: VolunteerState): number[] {
  return ready.filter(version => place?.versions.includes(version) === true)
}

/** Rows that neither a batch nor another one fills. */
export function freeRows(state: VolunteerState): number {
  return rowsAtOnce(state) - inProgress(state)
}

export function rowsAtOnce({ rows, place }: VolunteerState): number {
  return place?.rows ?? rows
}

/** Rollouts that the engine has and has not finished. */
export function inProgress({ running, finished }: VolunteerState): number {
  return running.reduce((total, { prompts }) => total + sampleCount(prompts), 0) - finished.size
}

/** What the engine had not finished is queued again. */
export function takeBack(state: VolunteerState): void {
  for (const batch of state.running.toReversed()) putBack(state.queue, batch, state.finished)
  state.running = []
  state.finished.clear()
}

export function forgetBatch(state: VolunteerState, batch: Batch): void {
  state.running = state.running.filter(running => running !== batch)
  for (const key of sampleKeys(batch)) state.finished.delete(key)
}
