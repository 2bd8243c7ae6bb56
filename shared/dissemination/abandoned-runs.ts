/** Forgetting runs whose trainer does not return. Nothing is lost with them: a trainer that comes back later opens its run anew. */
import { refuse } from '../protocol/refusal.ts'
import { newestRun, showRun, watchersOf, type DirectoryEffect, type SwarmDirectory, type SwarmRun } from './swarm-state.ts'

/** @returns when the run is forgotten unless its trainer returns; Infinity while it is here */
export function forgottenAt({ options }: SwarmDirectory, { abandonedAt }: SwarmRun): number {
  return abandonedAt === undefined ? Infinity : abandonedAt + options.forgetRunsAfterMs
}

/** Their peers hear that the run is unknown, and ask again for as long as they like; who watches the newest run sees the one that is the newest now. */
export function forgetAbandonedRuns(directory: SwarmDirectory, now: number): DirectoryEffect[] {
  const { runs } = directory
  const newestBefore = newestRun(directory)
  const effects: DirectoryEffect[] = []
  for (const run of runs.values()) {
    if (now >= forgottenAt(directory, run)) effects.push(...forget(directory, run))
  }
  const newest = newestRun(directory)
  if (newest !== undefined && newest !== newestBefore) effects.push(...showRun(runs.get(newest)!, watchersOf(directory, newest)))
  return effects
}

function forget({ runs, connections }: SwarmDirectory, run: SwarmRun): DirectoryEffect[] {
  const name = run.description.run
  const effects: DirectoryEffect[] = []
  for (const { connection } of run.peers.values()) {
    connections.get(connection)!.peer = undefined
    effects.push({ kind: 'tell', to: connection, event: 'refused', payload: refuse('unknown_run', `the trainer of run ${name} has been away for too long`) })
  }
  runs.delete(name)
  return [...effects, { kind: 'forget_chunks', run: name }]
}
