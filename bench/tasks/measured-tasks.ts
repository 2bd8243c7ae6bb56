/** What is learnt and what is measured: a run file each, and the held-out settings on which the policy is compared before and after. */
import { environmentNamed } from '#shared/environments/environments.ts'
import type { Environment } from '#shared/environments/environment.ts'

export interface MeasuredSetting {
  /** Unique. */
  readonly label: string
  readonly environment: Environment
  /** Most held-out tasks. */
  readonly tasks: number
  /** Share of tasks solved, or big blinds won per hand. */
  readonly unit: 'solved' | 'big blinds'
}

export interface MeasuredTask {
  readonly name: string
  readonly runFile: string
  readonly settings: readonly MeasuredSetting[]
}

const solved = (label: string, name: string, options: Readonly<Record<string, unknown>> = {}): MeasuredSetting => ({ label, environment: environmentNamed(name, options), tasks: 1_024, unit: 'solved' })

export function measuredTasks(): MeasuredTask[] {
  return [
    { name: 'arithmetic', runFile: 'trainer/runs/arithmetic-95.toml', settings: [solved('arithmetic', 'arithmetic')] },
    { name: 'countdown', runFile: 'trainer/runs/countdown.toml', settings: [solved('countdown', 'countdown')] },
    {
      name: 'sokoban',
      runFile: 'trainer/runs/sokoban.toml',
      settings: [solved('sokoban, 1 box', 'sokoban-1', { minPushes: 2, turns: 2 }), solved('sokoban, 2 boxes', 'sokoban-2', { turns: 4 })]
    },
    { name: 'holdem', runFile: 'trainer/runs/holdem.toml', settings: [{ label: 'holdem', environment: environmentNamed('holdem'), tasks: 4_096, unit: 'big blinds' }] }
  ]
}
