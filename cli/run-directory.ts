import { decode, describeMalformed } from '#shared/protocol/schema.ts'
import { runReport, type RunReport } from '#shared/protocol/run-report.ts'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

/** @returns a new run's folder name: `<run file's name>-<UTC date>-<UTC time>-<short>`, valid as a run id. */
export function nameRun(runFile: string, now: Date, short: string): string {
  const task = basename(runFile).replace(/\.toml$/i, '').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '')
  const [day, time] = now.toISOString().split('T') as [string, string]
  return `${task === '' ? 'run' : task.slice(0, 40)}-${day.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}-${short}`
}

/** @throws when the file is not a valid report */
export function readReport(file: string): RunReport {
  const decoded = decode(runReport, JSON.parse(readFileSync(file, 'utf8')))
  if (decoded.kind === 'malformed') throw new Error(describeMalformed(file, decoded))
  return decoded.value
}
