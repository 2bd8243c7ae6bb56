/** A part of the swarm that runs as a Node process of its own and says on stdout, as JSON lines, what happens to it. */
import { UserError } from '#trainer/user-error.ts'
import { fork, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PartFailure } from './part-failure.ts'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

export interface ChildEvent {
  readonly event: string
  readonly [field: string]: unknown
}

export interface Exit {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ChildOptions {
  readonly name: string
  /** JavaScript, or TypeScript that is compiled while it is loaded; relative to the repository. */
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Receives everything that the process writes to stdout and stderr. */
  readonly logFile: string
}

const LINES_KEPT = 40

/** Arguments for Node with which it runs the file and stops when its parent is gone. */
export function childRuntimeArguments(file: string): string[] {
  return [...(file.endsWith('.js') ? [] : ['--import', 'tsx']), '--import', new URL('stop-with-parent.mjs', import.meta.url).href]
}

export class Child {
  readonly name: string
  readonly logFile: string
  readonly exited: Promise<Exit>
  readonly #process: ChildProcess
  readonly #events = new EventEmitter<{ event: [ChildEvent] }>()
  readonly #seen: ChildEvent[] = []
  readonly #errorLines: string[] = []
  readonly #log: WriteStream

  constructor(options: ChildOptions) {
    this.name = options.name
    this.logFile = options.logFile
    this.#log = createWriteStream(options.logFile, { flags: 'a' })
    // In a process group of its own (`detached`), so that Ctrl-C reaches only us and we stop the parts in order.
    this.#process = fork(resolve(ROOT, options.file), options.args, {
      cwd: process.cwd(),
      env: { ...process.env, ...options.env },
      execArgv: childRuntimeArguments(options.file),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: process.platform !== 'win32'
    })
    createInterface({ input: this.#process.stdout! }).on('line', line => this.#hear(line))
    createInterface({ input: this.#process.stderr! }).on('line', line => this.#keepErrorLine(line))
    this.exited = once(this.#process, 'close').then(async ([code, signal]: (number | string | null)[]) => {
      // Whoever is told to look into the log finds all of it.
      await new Promise(resolve => this.#log.end(resolve))
      return { code: code as number | null, signal: signal as NodeJS.Signals | null }
    })
  }

  get pid(): number {
    return this.#process.pid!
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** What the process wrote to stderr last, oldest first. */
  get lastErrorLines(): readonly string[] {
    return this.#errorLines
  }

  /** Calls back for every event, those that already happened included. */
  onEvent(listener: (event: ChildEvent) => void): void {
    for (const event of this.#seen) listener(event)
    this.#events.on('event', listener)
  }

  /** Resolves with the first event that satisfies the predicate, past or future. Rejects when the process ends before it. */
  waitForEvent(predicate: (event: ChildEvent) => boolean): Promise<ChildEvent> {
    const past = this.#seen.find(predicate)
    if (past !== undefined) return Promise.resolve(past)
    return new Promise((resolve, reject) => {
      const listener = (event: ChildEvent): void => {
        if (!predicate(event)) return
        this.#events.off('event', listener)
        resolve(event)
      }
      this.#events.on('event', listener)
      void this.exited.then(exit => reject(describeExit(this, exit)))
    })
  }

  /** Asks the process to stop and waits; kills it when it does not within the time. */
  async stop(graceMs: number): Promise<Exit> {
    if (this.isRunning && this.#process.connected) this.#process.send('stop')
    const timer = setTimeout(() => this.kill(), graceMs)
    const exit = await this.exited
    clearTimeout(timer)
    return exit
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  #hear(line: string): void {
    this.#log.write(`${line}\n`)
    const event = parseEvent(line)
    if (event === undefined) return
    this.#seen.push(event)
    this.#events.emit('event', event)
  }

  #keepErrorLine(line: string): void {
    this.#log.write(`${line}\n`)
    this.#errorLines.push(line)
    if (this.#errorLines.length > LINES_KEPT) this.#errorLines.shift()
  }
}

/** The error for a child process that ended although it was needed. Exit code 2 is the child's word for bad input, its last line the explanation. */
export function describeExit(child: Child, exit: Exit): UserError | PartFailure {
  const lines = child.lastErrorLines.filter(line => line.trim() !== '' && !line.startsWith('{'))
  // Node prints an uncaught error as: source line, message, stack, own version.
  const explanation = lines.findLast(line => /^[A-Z]\w*(Error|Exception)\b/.test(line)) ?? lines.at(-1)
  if (exit.code === 2 && explanation !== undefined) return new UserError(explanation)
  const how = exit.signal === null ? `ended with exit code ${exit.code}` : `was ended by ${exit.signal}`
  return new PartFailure(`The ${child.name} ${how}${explanation === undefined ? '' : `: ${explanation}`} (its log: ${child.logFile})`)
}

function parseEvent(line: string): ChildEvent | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const parsed = JSON.parse(line) as Partial<ChildEvent>
    return typeof parsed.event === 'string' ? (parsed as ChildEvent) : undefined
  } catch {
    return undefined
  }
}
