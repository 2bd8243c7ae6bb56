import WebTorrent from 'webtorrent'
import { MemoryChunkStore } from '#web-worker-app/storage/memory-chunk-store.ts'
import { benchmarkPeer } from './benchmark-peer.ts'
import { OneThreadNetwork } from './one-thread-network.ts'
import type { PeerApi } from './peer-api.ts'

export interface Call {
  readonly id: number
  readonly method: keyof PeerApi
  readonly args: readonly unknown[]
}

export type Answer = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: string }

/** More than the two versions that a peer holds at a time. */
const STORE_BYTES = 100_000_000

/** Does what the parent process asks, until it is gone. */
export function answerCalls(): void {
  const api = benchmarkPeer(
    options => new OneThreadNetwork(options, new MemoryChunkStore(STORE_BYTES)),
    () => new WebTorrent({ dht: false, lsd: false, natUpnp: false, natPmp: false, utp: false, tracker: { rtcConfig: { iceServers: [] } } })
  )
  const answer = (told: Answer): void => void process.send!(told)
  process.on('message', ({ id, method, args }: Call) => {
    const asked = api[method] as (...args: readonly unknown[]) => unknown
    void Promise.resolve()
      .then(() => asked(...args))
      .then(
        result => answer({ id, result }),
        (error: unknown) => answer({ id, error: String(error) })
      )
  })
  process.on('disconnect', () => process.exit(0))
}
