/**
 * What a run remembers, in SQLite: every judged turn of every rollout, the metrics of every step, and a snapshot of the coordinator and the
 * books. A rollout and the snapshot that counts it are written in one transaction, before the peer is told.
 */
import Database from 'libsql'
import type { CoordinatorState } from '#shared/coordination/coordinator-state.ts'
import type { Curriculum } from '#shared/coordination/curriculum.ts'
import type { RunLedger } from '#shared/coordination/run-ledger.ts'
import type { LearnerMetrics } from '#shared/protocol/run-feed.ts'
import { UserError } from '../user-error.ts'

/** Raised with every change of the tables; a run directory of another one is refused. */
const SCHEMA_VERSION = 2

/**
 * How long a statement waits for others who have the file open. Readers of a run come and go, and whoever closes a database in WAL mode last, or
 * opens it first, locks it for a moment (sqlite.org/wal.html §9); libsql gives up at once unless told.
 */
const BUSY_TIMEOUT_MS = 10_000

const TABLES = `
  CREATE TABLE rollouts (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    prompt INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    version INTEGER NOT NULL,
    peer TEXT NOT NULL,
    tokens TEXT NOT NULL,
    behaviour_log_probs TEXT,
    prompt_text TEXT NOT NULL,
    completion_text TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('accepted', 'stale', 'rejected')),
    reason TEXT,
    reward REAL,
    learnt_at INTEGER,
    received_ms INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX accepted_once ON rollouts (id, turn) WHERE outcome = 'accepted';
  CREATE INDEX by_prompt ON rollouts (prompt);
  CREATE TABLE metrics (version INTEGER PRIMARY KEY, json TEXT NOT NULL);
  CREATE TABLE snapshot (only INTEGER PRIMARY KEY CHECK (only = 1), json TEXT NOT NULL);
`

export interface JudgedTurn {
  readonly id: string
  readonly prompt: number
  readonly index: number
  readonly turn: number
  readonly version: number
  readonly peer: string
  readonly tokens: readonly number[]
  /** Of the trusted prefill; null where it did not get that far. */
  readonly behaviourLogProbs: readonly number[] | null
  readonly promptText: string
  readonly completionText: string
  readonly outcome: 'accepted' | 'stale' | 'rejected'
  readonly reason: string | null
  /** Of the rollout up to here. */
  readonly reward: number | null
  readonly receivedMs: number
}

/** Accepted, and not learnt from yet. */
export interface KeptTurn {
  readonly id: string
  readonly turn: number
  readonly tokens: readonly number[]
  readonly behaviourLogProbs: readonly number[]
}

export interface RunSnapshot {
  readonly coordinator: CoordinatorState
  readonly curriculum: Curriculum
  readonly ledger: RunLedger
}

/** A learner step from `version` that is done. */
export interface StepRecord {
  readonly version: number
  /** Ids. */
  readonly learnt: readonly string[]
  /** As pages show it, and all that the learner measured. */
  readonly metrics: { readonly shown: LearnerMetrics; readonly learner: object }
}

/** `outdated`: what was accepted of the rollout became too old before it was learnt from. */
export type RolloutChange = { readonly kind: 'judged'; readonly turn: JudgedTurn } | { readonly kind: 'outdated'; readonly id: string }

export interface CoordinatorRecord {
  /** In the order in which they happened. */
  readonly changes?: readonly RolloutChange[]
  readonly step?: StepRecord | undefined
  readonly snapshot: RunSnapshot
}

interface KeptRow {
  readonly id: string
  readonly turn: number
  readonly tokens: string
  readonly behaviour_log_probs: string
}

export class RunDatabase {
  readonly #database: Database.Database
  /** For every turn of every rollout. */
  readonly #insertion: Database.Statement

  /** @throws {UserError} when the file was written by another version of this program */
  constructor(path: string) {
    this.#database = new Database(path, { timeout: BUSY_TIMEOUT_MS })
    // FULL: an acknowledged rollout survives a power cut, not only a crash.
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;')
    const found = (this.#database.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
    if (found !== 0 && found !== SCHEMA_VERSION) throw new UserError(`${path}: written by another version of this program (tables ${found}, here ${SCHEMA_VERSION}); resume it with that one`)
    if (found === 0) this.#transaction(() => this.#database.exec(`${TABLES} PRAGMA user_version = ${SCHEMA_VERSION};`))
    this.#insertion = this.#database.prepare(
      `INSERT INTO rollouts
       (id, prompt, sample, turn, version, peer, tokens, behaviour_log_probs, prompt_text, completion_text, outcome, reason, reward, received_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
    )
  }

  /** Writes everything that the coordinator decided at once, or nothing. */
  record({ changes = [], step, snapshot }: CoordinatorRecord): void {
    this.#transaction(() => {
      for (const change of changes) {
        if (change.kind === 'judged') this.#insert(change.turn)
        else this.#update("outcome = 'stale'", [change.id])
      }
      if (step !== undefined) {
        this.#update(`learnt_at = ${step.version}`, step.learnt)
        this.#database.prepare('INSERT OR REPLACE INTO metrics (version, json) VALUES (?, ?)').run([step.version + 1, JSON.stringify(step.metrics)])
      }
      this.#database.prepare('INSERT OR REPLACE INTO snapshot (only, json) VALUES (1, ?)').run([JSON.stringify(withoutMetrics(snapshot))])
    })
  }

  /** @returns undefined before the first */
  snapshot(): RunSnapshot | undefined {
    const row = this.#database.prepare('SELECT json FROM snapshot').get() as { json: string } | undefined
    if (row === undefined) return undefined
    const { coordinator, curriculum, ledger } = JSON.parse(row.json) as RunSnapshot
    const steps = this.#database.prepare('SELECT json FROM metrics WHERE version <= ? ORDER BY version').all([coordinator.version]) as { json: string }[]
    return { coordinator, curriculum, ledger: { ...ledger, metrics: steps.map(({ json }) => (JSON.parse(json) as StepRecord['metrics']).shown) } }
  }

  /** In the order in which they were accepted. */
  kept(): KeptTurn[] {
    const rows = this.#database.prepare("SELECT id, turn, tokens, behaviour_log_probs FROM rollouts WHERE outcome = 'accepted' AND learnt_at IS NULL ORDER BY number").all() as KeptRow[]
    return rows.map(({ id, turn, tokens, behaviour_log_probs }) => ({
      id,
      turn,
      tokens: JSON.parse(tokens) as number[],
      behaviourLogProbs: JSON.parse(behaviour_log_probs) as number[]
    }))
  }

  close(): void {
    this.#database.close()
  }

  #insert(turn: JudgedTurn): void {
    this.#insertion.run([
      turn.id,
      turn.prompt,
      turn.index,
      turn.turn,
      turn.version,
      turn.peer,
      JSON.stringify(turn.tokens),
      turn.behaviourLogProbs === null ? null : JSON.stringify(turn.behaviourLogProbs),
      turn.promptText,
      turn.completionText,
      turn.outcome,
      turn.reason,
      turn.reward,
      turn.receivedMs
    ])
  }

  #update(change: string, ids: readonly string[]): void {
    if (ids.length === 0) return
    const update = this.#database.prepare(`UPDATE rollouts SET ${change} WHERE id = ? AND outcome = 'accepted' AND learnt_at IS NULL`)
    for (const id of ids) update.run([id])
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
  }
}

/** They have a table of their own: a snapshot must not grow with the run. */
function withoutMetrics({ ledger, ...others }: RunSnapshot): RunSnapshot {
  return { ...others, ledger: { ...ledger, metrics: [] } }
}
