/** One run as people start it: `npm start -- --headless --peers 3 --mode async`, as a process of its own. */
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RunReport } from '#shared/protocol/run-report.ts'
import { UserError } from '#trainer/user-error.ts'
import { ROOT } from '../../cli/child-process.ts'
import { readReport } from '../../cli/run-directory.ts'

export const PEERS = 3

export interface LearningPoint {
  readonly version: number
  /** Held-out greedy success. */
  readonly success: number
}

export interface SwarmRun {
  readonly report: RunReport
  readonly learning: readonly LearningPoint[]
  /** From the start of the command to its end. */
  readonly commandSeconds: number
}

/** @param directory where the run is kept; what is there is removed: a run that was interrupted has lost time that nobody can tell */
export async function runSwarm(runFile: string, seed: number, directory: string): Promise<SwarmRun> {
  rmSync(directory, { recursive: true, force: true })
  const began = performance.now()
  const args = ['scripts/bootstrap.mjs', 'cli/main.ts', 'start', '--headless', '--peers', String(PEERS), '--mode', 'async', '--run', runFile, '--seed', String(seed), '--run-directory', directory, '--port', '0']
  try {
    await promisify(execFile)(process.execPath, args, { cwd: ROOT, maxBuffer: 2 ** 26 })
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string }
    throw new UserError(`${runFile}, seed ${seed}: the run failed (logs in ${join(directory, 'logs')}): ${stderr.trim().split('\n').at(-1) ?? ''}`)
  }
  const commandSeconds = (performance.now() - began) / 1000
  return { report: readReport(join(directory, 'report.json')), learning: learningPoints(readFileSync(join(directory, 'logs', 'trainer.log'), 'utf8')), commandSeconds }
}

/** What the trainer said of its measurements, one JSON object a line among other lines. */
export function learningPoints(log: string): LearningPoint[] {
  return log.split('\n').flatMap(line => {
    if (!line.startsWith('{"event":"evaluated"')) return []
    const { version, success } = JSON.parse(line) as LearningPoint
    return [{ version, success }]
  })
}
