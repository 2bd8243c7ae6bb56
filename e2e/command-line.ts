/** The `murmuration` command as people start it, in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ROOT } from '../cli/child-process.ts'
import { inTime } from './in-time.ts'

export interface CommandResult {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export class RunningCommand {
  readonly #finished: Promise<CommandResult>
  readonly #process: ChildProcess
  #stdout = ''
  #stderr = ''

  constructor(args: readonly string[]) {
    this.#process = spawn(process.execPath, [join(ROOT, 'scripts/bootstrap.mjs'), 'cli/main.ts', ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.#finished = once(this.#process, 'close').then(([exitCode]: (number | null)[]) => ({ exitCode: exitCode ?? null, stdout: this.#stdout, stderr: this.#stderr }))
  }

  /** Resolves when the command ends; rejects when it does not in time. */
  get finished(): Promise<CommandResult> {
    return inTime(this.#finished, () => `the end of a command that said:\n${this.#said()}`)
  }

  /** Resolves when stdout matches; rejects when the command ends before, or takes too long. */
  waitForOutput(pattern: RegExp): Promise<RegExpExecArray> {
    const matched = new Promise<RegExpExecArray>((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(this.#stdout)
        if (match !== null) resolve(match)
      }
      this.#process.stdout!.on('data', look)
      look()
      void this.#finished.then(({ stderr }) => reject(new Error(`the command ended without saying ${pattern}: ${stderr}`)))
    })
    return inTime(matched, () => `${pattern} of a command that said:\n${this.#said()}`)
  }

  #said(): string {
    return `${this.#stdout}\n${this.#stderr}`.trim().split('\n').slice(-12).join('\n')
  }

  /** What Ctrl-C does. */
  interrupt(): void {
    this.#process.kill('SIGINT')
  }

  /** Its parts stop by themselves when it is gone. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }
}

export function runCommand(args: readonly string[]): Promise<CommandResult> {
  return new RunningCommand(args).finished
}
