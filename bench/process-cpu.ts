import { readdirSync, readFileSync } from 'node:fs'

/** Clock ticks per second in /proc, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** @returns CPU seconds that a process and its living descendants have used; undefined where there is no /proc */
export function cpuSeconds(root: number): number | undefined {
  const processes = new Map<number, { readonly parent: number; readonly ticks: number }>()
  try {
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue
      const stat = statOf(Number(entry))
      if (stat !== undefined) processes.set(Number(entry), stat)
    }
  } catch {
    return undefined
  }
  let ticks = 0
  for (const [pid, { ticks: own }] of processes) if (descendsFrom(processes, pid, root)) ticks += own
  return ticks / TICKS_PER_SECOND
}

function statOf(pid: number): { readonly parent: number; readonly ticks: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name, in parentheses, may contain anything; state is the first field after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  } catch {
    return undefined
  }
}

function descendsFrom(processes: ReadonlyMap<number, { readonly parent: number }>, pid: number, root: number): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 0; at = processes.get(at)?.parent) if (at === root) return true
  return false
}
