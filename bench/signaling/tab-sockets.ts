/** Sockets of many tabs from one process: they say what tabs say, and nothing is computed. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import type { Introduction, JoinAnswer } from '#shared/protocol/volunteer-messages.ts'
import { peerName, signedJoin, WAITING } from '#shared/testing/swarm-fixtures.ts'

/** Connections that are made at once. */
const AT_ONCE = 50
/** The messages of all tabs are spread evenly over time, in steps of so many milliseconds. */
const STEP_MS = 5
/** As long as an offer for data channels. */
const SIGNAL = 'x'.repeat(1000)
const STRAGGLERS_MS = 2000

interface Tab {
  readonly socket: Socket
  readonly challenge: string
  /** Those to whom it may send signals now: links make way for those of newcomers. */
  readonly linked: Set<string>
}

export interface Delivery {
  readonly sent: number
  /** From one tab's socket to the other's, in milliseconds, of all that arrived. */
  readonly ms: readonly number[]
  readonly perSecond: number
  /** By which our own event loop was late in all but one of a hundred moments: part of the delivery times. */
  readonly latenessMs: number
}

export class TabSockets {
  readonly #url: string
  readonly #tabs: Tab[] = []
  #delivered: number[] = []

  constructor(url: string) {
    this.#url = url
  }

  /** Tabs that are connected and see the run, and have not joined it. */
  async connect(count: number): Promise<void> {
    for (let made = 0; made < count; made += AT_ONCE) {
      const batch = Array.from({ length: Math.min(AT_ONCE, count - made) }, () => this.#open())
      this.#tabs.push(...(await Promise.all(batch)))
    }
  }

  /** The first tabs join. @returns seconds */
  async join(count: number): Promise<number> {
    const start = performance.now()
    for (let index = 0; index < count; index++) {
      const { socket, challenge } = this.#tabs[index]!
      const answer = (await socket.timeout(30_000).emitWithAck('join', signedJoin(index, { server: new URL(this.#url).host, challenge }))) as JoinAnswer
      if (answer.kind === 'refused') throw new Error(`tab ${index} was refused: ${answer.code} ${answer.detail ?? ''}`)
    }
    return (performance.now() - start) / 1000
  }

  /** Each of the first tabs says every second how it is, and together they send so many signals to tabs that they were introduced to. */
  async talk(count: number, signalsPerSecond: number, seconds: number): Promise<Delivery> {
    const tabs = this.#tabs.slice(0, count)
    const senders = tabs.filter(({ linked }) => linked.size > 0).map(({ socket, linked }) => ({ socket, linked: [...linked] }))
    this.#delivered = []
    let [statuses, signals] = [0, 0]
    const lateness = monitorEventLoopDelay({ resolution: STEP_MS })
    lateness.enable()
    const start = performance.now()
    for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - start) / 1000) {
      for (; statuses < elapsed * count; statuses++) tabs[statuses % count]!.socket.emit('peer_status', WAITING)
      for (; signals < elapsed * signalsPerSecond; signals++) {
        const { socket, linked } = senders[signals % senders.length]!
        socket.emit('signal', { to: linked[Math.floor(signals / senders.length) % linked.length], data: `${performance.now()} ${SIGNAL}` })
      }
      await wait(STEP_MS)
    }
    const measured = (performance.now() - start) / 1000
    await wait(STRAGGLERS_MS)
    lateness.disable()
    return { sent: signals, ms: this.#delivered, perSecond: signals / measured, latenessMs: lateness.percentile(99) / 1e6 }
  }

  close(): void {
    for (const { socket } of this.#tabs) socket.disconnect()
  }

  async #open(): Promise<Tab> {
    const socket = io(this.#url, { auth: { role: 'volunteer' }, transports: ['websocket'], forceNew: true, reconnection: false })
    const linked = new Set<string>()
    socket.on('introduction', ({ peer }: Introduction) => linked.add(peer))
    socket.on('peer_gone', ({ peer }: { readonly peer: string }) => linked.delete(peer))
    socket.on('signal', ({ data }: { readonly data: string }) => this.#delivered.push(performance.now() - Number.parseFloat(data)))
    socket.on('disconnect', reason => {
      if (reason !== 'io client disconnect') throw new Error(`the server closed a socket: ${reason}`)
    })
    const challenge = await new Promise<string>((resolve, reject) => {
      socket.once('challenge', (told: { readonly challenge: string }) => resolve(told.challenge))
      socket.once('connect_error', reject)
    })
    return { socket, challenge, linked }
  }
}

/** The ids of peers are made from keys, and a key takes a millisecond: not while something is measured. */
export function makeKeys(count: number): void {
  for (let index = 0; index < count; index++) peerName(index)
}
