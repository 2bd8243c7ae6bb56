import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { childRuntimeArguments, ROOT } from './child-process.ts'
import { buildParts, type Part } from './part-build.ts'
import { waitForStopSignal } from './stop-signal.ts'

/** Runs one part with this terminal as its output until it ends or somebody asks to stop. @returns its exit code. */
export async function runInForeground(part: Part, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const file = join(await buildParts(ROOT), `${part}/main.js`)
  const child = fork(file, args, {
    env: { ...process.env, ...env },
    execArgv: childRuntimeArguments(file),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Only we hear Ctrl-C, so that the part is asked once.
    detached: process.platform !== 'win32'
  })
  void waitForStopSignal(() => child.kill('SIGKILL')).then(() => child.connected && child.send('stop'))
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
