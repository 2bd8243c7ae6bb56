/** What a run leaves behind, read back by tests: its report, its database and its checkpoints. */
import Database from 'libsql'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export { readReport } from '../cli/run-directory.ts'

export interface StoredRollout {
  readonly id: string
  readonly turn: number
  readonly version: number
  readonly peer: string
  readonly outcome: 'accepted' | 'stale' | 'rejected'
  readonly reason: string | null
  readonly reward: number | null
  readonly learnt_at: number | null
  /** JSON. */
  readonly tokens: string
  readonly prompt_text: string
}

export function readRollouts(runDirectory: string): StoredRollout[] {
  const database = new Database(join(runDirectory, 'rollouts.sqlite'), { readonly: true, timeout: 10_000 })
  try {
    return database.prepare('SELECT id, turn, version, peer, outcome, reason, reward, learnt_at, tokens, prompt_text FROM rollouts ORDER BY number').all() as StoredRollout[]
  } finally {
    database.close()
  }
}

/** SHA-256 of the adapter that a version's checkpoint holds. */
export function hashAdapter(runDirectory: string, version: number): string {
  const file = join(runDirectory, 'checkpoints', `version-${version}`, 'adapter_model.safetensors')
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}
