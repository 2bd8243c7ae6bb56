import { readFileSync } from 'node:fs'
import { UserError } from '#trainer/user-error.ts'

/** Files that a process has open besides its sockets. */
const OTHERS = 200

/**
 * Node raises its own limit of open files as far as the system lets it; beyond that only the account that started it can.
 * @throws UserError when a process cannot have that many sockets
 */
export function checkOpenFiles(sockets: number): void {
  const limit = openFilesLimit()
  if (limit === undefined || limit >= sockets + OTHERS) return
  throw new UserError(`${sockets} sockets need a limit of at least ${sockets + OTHERS} open files, and it is ${limit}: raise the hard limit (as root: ulimit -Hn ${sockets + OTHERS}) and try again`)
}

/** @returns undefined where there is no /proc */
function openFilesLimit(): number | undefined {
  try {
    const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return hard === 'unlimited' ? Infinity : Number(hard)
  } catch {
    return undefined
  }
}
