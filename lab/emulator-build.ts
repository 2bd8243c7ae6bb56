import { UserError } from '#trainer/user-error.ts'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('wan-emulator.c', import.meta.url))

/**
 * Compiles the emulator, unless this source was compiled before. It runs as root, so it lies in the user's own cache folder.
 * @returns the program's path
 */
export function buildEmulator(): string {
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'murmuration')
  const hash = createHash('sha256').update(readFileSync(SOURCE)).update(process.arch).digest('hex').slice(0, 16)
  const program = join(folder, `wan-emulator-${hash}`)
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // Renamed when it is whole: others may be compiling the same.
  const unfinished = `${program}.${process.pid}`
  const { status, stderr } = spawnSync('cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-o', unfinished, SOURCE], { encoding: 'utf8' })
  if (status !== 0) throw new UserError(`The lab's emulator could not be compiled: ${stderr.split('\n').find(line => line.includes('error')) ?? stderr}`)
  renameSync(unfinished, program)
  return program
}
