import { writeFileSync } from 'node:fs'

const NICENESS = -15

/**
 * Lets a process and its session have processor time before others, as far as the system allows. Linux shares processors out between
 * sessions, and every Chromium tab is one (sched(7), "The autogroup feature"): beside eight tabs that compute, a server gets a tenth.
 * @returns whether it has it
 */
export function prefer(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(NICENESS))
    return true
  } catch {
    return false
  }
}
