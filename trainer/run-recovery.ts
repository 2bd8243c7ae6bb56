/** What a run starts from: the beginning, or where a former process left it. */
import { createCoordinator, type CoordinatorState } from '#shared/coordination/coordinator-state.ts'
import { recover } from '#shared/coordination/coordinator.ts'
import { rewindCoordinator, rewindLedger } from '#shared/coordination/rewind.ts'
import { createRunLedger, resumeRunLedger, type RunFacts, type RunLedger } from '#shared/coordination/run-ledger.ts'
import { ModelFileError } from '#shared/model/model-file-error.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { RolloutBook } from './coordinator/rollout-book.ts'
import type { TrainedPolicyState } from './learner/trained-policy.ts'
import type { RunFile } from './run-file-schema.ts'
import type { CheckpointStore } from './store/checkpoints.ts'
import type { KeptTurn, RunSnapshot } from './store/run-database.ts'
import { UserError } from './user-error.ts'

/** After this long the rest of a lease may go to others. Peers that disconnect lose theirs at once; this is for frozen ones. */
const LEASE_DURATION_MS = 30_000

export interface RunStart {
  readonly state: CoordinatorState
  readonly ledger: RunLedger
  /** Ids of rollouts whose accepted turns count no longer, because a version was lost. */
  readonly outdated: readonly string[]
  /** Of the newest version; undefined for a new run. */
  readonly learner: TrainedPolicyState | undefined
  /** The trained tensors of older versions that tabs may still sample with, by version. */
  readonly olderVersions: ReadonlyMap<number, Tensors>
}

export function freshStart(runFile: RunFile, facts: RunFacts, nowMs: number): RunStart {
  const { stalenessBudget, batch } = runFile
  const state = createCoordinator({ stalenessBudget, groupsPerBatch: batch.prompts, groupSize: batch.group, leaseDurationMs: LEASE_DURATION_MS })
  return { state, ledger: createRunLedger(facts, nowMs), outdated: [], learner: undefined, olderVersions: new Map() }
}

export interface Remains {
  readonly snapshot: RunSnapshot
  readonly kept: readonly KeptTurn[]
  readonly checkpoints: CheckpointStore
}

/**
 * @param book is given the turns that were accepted and not learnt from
 * @param warn receives one line per checkpoint that cannot be used
 * @throws {UserError} when there is no usable checkpoint
 */
export function resumedStart({ snapshot, kept, checkpoints }: Remains, facts: RunFacts, book: RolloutBook, nowMs: number, warn: (line: string) => void): RunStart {
  const state = snapshot.coordinator
  const ledger = resumeRunLedger(snapshot.ledger, facts, nowMs)
  const newest = newestUsable(checkpoints, state.version, warn)
  recover(state)
  if (newest.version < state.version) {
    warn(`going back from version ${state.version} to ${newest.version}`)
    rewindCoordinator(state, newest.version)
    rewindLedger(ledger, newest.version)
  }
  checkpoints.removeAfter(newest.version)
  const olderVersions = new Map<number, Tensors>()
  for (const version of checkpoints.versions()) {
    if (version >= newest.version || version < newest.version - state.config.stalenessBudget - 1) continue
    const older = readOrWarn(checkpoints, version, warn)
    if (older !== undefined) olderVersions.set(version, older.parameters)
  }
  return { state, ledger, outdated: fillBook(state, kept, book), learner: newest.learner, olderVersions }
}

function newestUsable(checkpoints: CheckpointStore, newest: number, warn: (line: string) => void): { readonly version: number; readonly learner: TrainedPolicyState } {
  const candidates = checkpoints.versions().filter(version => version <= newest)
  if (!candidates.includes(newest)) warn(`the checkpoint of version ${newest} is missing`)
  for (const version of candidates.toReversed()) {
    const learner = readOrWarn(checkpoints, version, warn)
    if (learner !== undefined) return { version, learner }
  }
  throw new UserError(`no checkpoint up to version ${newest} can be used; start the run anew`)
}

function readOrWarn(checkpoints: CheckpointStore, version: number, warn: (line: string) => void): TrainedPolicyState | undefined {
  try {
    return checkpoints.read(version)
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error
    warn(error.message)
    return undefined
  }
}

/** Puts the turns on which the coordinator still counts into the book, in their order. @returns ids of the other rollouts */
function fillBook(state: CoordinatorState, stored: readonly KeptTurn[], book: RolloutBook): string[] {
  const turnsOf = new Map<string, KeptTurn[]>()
  for (const turn of stored) turnsOf.set(turn.id, [...(turnsOf.get(turn.id) ?? []), turn])
  for (const { prompt, samples } of state.groups) {
    for (const [index, { turns }] of samples.entries()) {
      const id = `${prompt}/${index}`
      const found = turnsOf.get(id) ?? []
      if (turns.length === 0) continue
      if (found.length !== turns.length) throw new Error(`rollout ${id} is counted with ${turns.length} accepted turns, but ${found.length} are in the database`)
      for (const { tokens, behaviourLogProbs } of found) book.accept({ prompt, index }, tokens, behaviourLogProbs)
      turnsOf.delete(id)
    }
  }
  return [...turnsOf.keys()]
}
