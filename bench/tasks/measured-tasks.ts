/** What is learnt and what is measured: a run file each, and the held-out settings on which the policy is compared before and after. */
import { join } from 'node:path'
import { environmentNamed } from '#shared/environments/environments.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { environmentSpec, openEnvironment } from '#trainer/environment-spec.ts'
import { readRunFile } from '#trainer/run-file.ts'
import { ROOT } from '../../cli/child-process.ts'

export interface MeasuredSetting {
  /** Unique. */
  readonly label: string
  readonly environment: Environment
  /** How many held-out tasks are drawn. */
  readonly draws: number
  /** Share of tasks solved, or big blinds won per hand. */
  readonly unit: 'solved' | 'big blinds'
}

export interface MeasuredTask {
  readonly name: string
  /** Full path. */
  readonly runFile: string
  /** The first one is the run file's own. */
  readonly settings: readonly [MeasuredSetting, ...MeasuredSetting[]]
}

const SOLVED = { draws: 1_024, unit: 'solved' } as const

export function measuredTasks(): MeasuredTask[] {
  return [
    measured('arithmetic', 'arithmetic.toml', { label: 'arithmetic', ...SOLVED }),
    measured('countdown', 'countdown.toml', { label: 'countdown', ...SOLVED }),
    measured('sokoban', 'sokoban.toml', { label: 'sokoban, 1 box', ...SOLVED }, { label: 'sokoban, 2 boxes', environment: environmentNamed('sokoban-2', { turns: 4 }), ...SOLVED }),
    measured('holdem', 'holdem.toml', { label: 'holdem', draws: 4_096, unit: 'big blinds' })
  ]
}

function measured(name: string, fileName: string, own: Omit<MeasuredSetting, 'environment'>, ...more: readonly MeasuredSetting[]): MeasuredTask {
  const runFile = join(ROOT, 'trainer/runs', fileName)
  return { name, runFile, settings: [{ ...own, environment: openEnvironment(environmentSpec(readRunFile(runFile))) }, ...more] }
}
