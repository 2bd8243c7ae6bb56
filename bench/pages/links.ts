/** One of two tabs: sends or receives a bulk in a contestant's way, with hidden states back and forth beside it. */
import { network } from '../links/contestants/network.ts'
import type { BulkReceiver, BulkSender, BulkSide, Contestant } from '../links/contestants/contestant.ts'
import { simplePeerStream } from '../links/contestants/simple-peer-stream.ts'
import { webTorrent } from '../links/contestants/webtorrent.ts'

const CONTESTANTS = { ours: network, 'simple-peer': simplePeerStream, webtorrent: webTorrent } satisfies Record<string, Contestant>
export type ContestantName = keyof typeof CONTESTANTS

/** How much had arrived, so many milliseconds after the bulk had begun. */
export interface BulkSample {
  readonly ms: number
  readonly bytes: number
}

export interface BulkProgress {
  readonly samples: readonly BulkSample[]
  /** All of it arrived within the time. */
  readonly whole: boolean
}

const SAMPLE_MS = 50
const HIDDEN_STATE_BYTES = 4096
const PING_MS = 100
/** An answer that takes longer counts as if it had taken so long. */
const PING_LIMIT_MS = 5000
const RANDOM_BYTES_AT_ONCE = 65_536

let sender: BulkSender | undefined
let receiver: BulkReceiver | undefined
let pingTimer: ReturnType<typeof setInterval> | undefined
/** By ping: when it was sent, and how long its answer took. */
let pings: { readonly sentAt: number; ms: number | undefined }[] = []

function side(): BulkSide {
  const opened = sender ?? receiver
  if (opened === undefined) throw new Error('the tab has not been opened')
  return opened
}

function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count)
  for (let offset = 0; offset < count; offset += RANDOM_BYTES_AT_ONCE) crypto.getRandomValues(bytes.subarray(offset, offset + RANDOM_BYTES_AT_ONCE))
  return bytes
}

function ping(): void {
  const fragment = new Uint8Array(HIDDEN_STATE_BYTES)
  new DataView(fragment.buffer).setUint32(0, pings.length)
  pings.push({ sentAt: performance.now(), ms: undefined })
  side().sendHiddenState(fragment)
}

function pong(fragment: Uint8Array<ArrayBuffer>): void {
  const pinged = pings[new DataView(fragment.buffer, fragment.byteOffset).getUint32(0)]
  if (pinged !== undefined) pinged.ms = performance.now() - pinged.sentAt
}

const linksBench = {
  /** @returns what `openReceiver` of the other tab is to be given */
  async openSender(contestant: ContestantName, bytes: number, tracker: string): Promise<unknown> {
    sender = await CONTESTANTS[contestant].openSender(randomBytes(bytes), tracker, { signal: window.sendSignal, hiddenStateArrived: pong })
    return sender.offer
  },

  async openReceiver(contestant: ContestantName, offer: unknown, tracker: string): Promise<void> {
    const echo = (fragment: Uint8Array<ArrayBuffer>): void => side().sendHiddenState(fragment)
    receiver = await CONTESTANTS[contestant].openReceiver(offer, tracker, { signal: window.sendSignal, hiddenStateArrived: echo })
  },

  takeSignal(data: string): void {
    side().takeSignal(data)
  },

  linked(): Promise<void> {
    return side().linked
  },

  send(): void {
    sender!.send()
  },

  async receive(limitSeconds: number): Promise<BulkProgress> {
    let begin: (start: number) => void = () => undefined
    const begun = new Promise<number>(resolve => void (begin = resolve))
    const received = receiver!.receive(() => begin(performance.now())).then(() => true)
    const start = await begun
    const samples: BulkSample[] = []
    const sample = (): void => void samples.push({ ms: performance.now() - start, bytes: receiver!.receivedBytes })
    const timer = setInterval(sample, SAMPLE_MS)
    const whole = await Promise.race([received, new Promise<false>(resolve => setTimeout(resolve, 1000 * limitSeconds, false))])
    clearInterval(timer)
    sample()
    return { samples, whole }
  },

  startPings(): void {
    pings = []
    pingTimer = setInterval(ping, PING_MS)
  },

  /** @returns milliseconds there and back, of every hidden state since `startPings` */
  async stopPings(): Promise<number[]> {
    clearInterval(pingTimer)
    const end = performance.now()
    while (pings.some(({ ms }) => ms === undefined) && performance.now() < end + PING_LIMIT_MS) await new Promise(resolve => setTimeout(resolve, PING_MS))
    return pings.map(({ ms }) => Math.min(ms ?? PING_LIMIT_MS, PING_LIMIT_MS))
  }
}

declare global {
  interface Window {
    linksBench: typeof linksBench
    /** Given by whoever drives the tab. */
    sendSignal: (data: string) => void
  }
}

window.linksBench = linksBench
