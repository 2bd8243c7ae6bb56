import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { buildEmulator } from './emulator-build.ts'

/** How a node is joined to the network. */
export interface NodeSettings {
  /** 10⁶ bits per second, IP headers included; 0 is unlimited. */
  readonly uplinkMbit: number
  readonly downlinkMbit: number
  /** One way, to the middle of the network: the round trip between two nodes is twice the sum of theirs. */
  readonly delayMs: number
  /** Of the packets that the node sends. */
  readonly lossPercent: number
  /** Bytes that wait in each direction, 256,000 unless said. What does not fit is dropped. */
  readonly queueBytes: number
  /** Nothing comes or goes. */
  readonly cut: boolean
}

/** Of one node, since the lab was opened. Bytes include IP headers. */
export interface NodeCounters {
  readonly sentPackets: number
  readonly sentBytes: number
  readonly receivedPackets: number
  readonly receivedBytes: number
  /** By chance, as `lossPercent` says. */
  readonly lostPackets: number
  readonly cutPackets: number
  /** To addresses that no node has. */
  readonly unroutablePackets: number
  /** Because a queue was full. */
  readonly uplinkDrops: number
  readonly downlinkDrops: number
  /** The most that ever waited, with the packet that was being sent. */
  readonly uplinkPeakBytes: number
  readonly downlinkPeakBytes: number
}

export interface EmulatedInterface {
  /** Path of the namespace. */
  readonly netns: string
  readonly interface: string
  readonly address: string
}

type Answer = { readonly ok: true } | { readonly error: string } | { readonly counters: Record<string, NodeCounters> }

interface Asked {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** The child process `wan-emulator.c`: packets of all nodes pass through it. Its commands are described there. */
export class Emulator {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  readonly #asked: Asked[] = []
  readonly #ended: Promise<unknown>

  constructor() {
    this.#process = spawn(buildEmulator(), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#ended = once(this.#process, 'close').then(([code, signal]) => {
      for (const { reject } of this.#asked.splice(0)) reject(new Error(`the network emulator ended (${code ?? signal})`))
    })
    // A command to an emulator that has ended is answered above.
    this.#process.stdin.on('error', () => undefined)
    createInterface({ input: this.#process.stdout }).on('line', line => this.#asked.shift()?.resolve(JSON.parse(line) as Answer))
  }

  async add(node: string, { netns, interface: name, address }: EmulatedInterface, settings: Partial<NodeSettings>): Promise<void> {
    await this.#ask(`add ${node} netns=${netns} interface=${name} address=${address} ${words(settings)}`)
  }

  /** From the next packet on. A delay that becomes shorter lets later packets overtake those on their way. */
  async set(node: string, settings: Partial<NodeSettings>): Promise<void> {
    await this.#ask(`set ${node} ${words(settings)}`)
  }

  async counters(): Promise<Readonly<Record<string, NodeCounters>>> {
    const answer = await this.#ask('counters')
    if (!('counters' in answer)) throw new Error('the network emulator answered something else')
    return answer.counters
  }

  /** All interfaces end with it. */
  async close(): Promise<void> {
    this.#process.stdin.end()
    await this.#ended
  }

  async #ask(command: string): Promise<Answer> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) throw new Error('the network emulator has ended')
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#asked.push({ resolve, reject })
      this.#process.stdin.write(`${command.trimEnd()}\n`)
    })
    if ('error' in answer) throw new RangeError(answer.error)
    return answer
  }
}

/** `uplinkMbit: 5` as `uplink_mbit=5`. */
function words(settings: Partial<NodeSettings>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}=${Number(value)}`)
    .join(' ')
}
