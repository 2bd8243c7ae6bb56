/** This project's own: chunks of a policy version, from store to store. */
import { cutPolicy } from '#shared/dissemination/manifest.ts'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import { ChunkExchange } from '#web-worker-app/mesh/chunk-exchange.ts'
import type { ChunkStore } from '#web-worker-app/storage/chunk-store.ts'
import { openChunkStore } from '#web-worker-app/storage/open-chunk-store.ts'
import type { BulkSide, Contestant, TabPort } from './contestant.ts'

const SENDER = '1'.repeat(32)
const RECEIVER = '2'.repeat(32)

function openExchange(store: ChunkStore, other: string, port: TabPort): { readonly exchange: ChunkExchange; readonly side: BulkSide } {
  let linkUp = (): void => undefined
  const linked = new Promise<void>(resolve => void (linkUp = resolve))
  const exchange = new ChunkExchange({
    iceServers: () => [],
    // The other tab has everything.
    grant: () => Promise.resolve([]),
    store,
    signal: (_, data) => port.signal(data),
    linkLost: peer => console.error(`lost the link to ${peer}`),
    linkDown: () => undefined,
    linkUp: () => linkUp(),
    stageFragment: (_, fragment) => port.hiddenStateArrived(fragment),
    roundTrip: () => undefined,
    unavailable: version => console.error(`nobody has version ${version}`),
    changed: () => undefined,
    refused: (peer, code) => console.error(`refused by ${peer}: ${code}`)
  })
  const side = {
    linked,
    takeSignal: (data: string) => exchange.takeSignal(other, data),
    sendHiddenState: (fragment: Uint8Array<ArrayBuffer>) => void exchange.sendStageFragment(other, fragment)
  }
  return { exchange, side }
}

function openStore(): Promise<ChunkStore> {
  return openChunkStore(() => performance.now())
}

export const chunkExchange: Contestant = {
  async openSender(bytes, _tracker, port) {
    const data = new Float32Array(bytes.buffer)
    const tensors = new Map([['weights', { shape: [data.length], data }]])
    const { body, chunks } = cutPolicy({ run: 'links', version: 0, parent: null, kind: 'full', groups: [{ name: 'embed', tensors }] })
    const store = await openStore()
    for (const [hash, chunk] of chunks) await store.put(hash, chunk, body)
    const { exchange, side } = openExchange(store, RECEIVER, port)
    await exchange.fetchVersion(body)
    exchange.introduce(RECEIVER, false)
    return { ...side, offer: body, send: () => undefined }
  },

  async openReceiver(offer, _tracker, port) {
    const { exchange, side } = openExchange(await openStore(), SENDER, port)
    exchange.introduce(SENDER, true)
    return {
      ...side,
      get receivedBytes() {
        return exchange.bytesFromPeers
      },
      async receive(begun) {
        begun()
        await exchange.fetchVersion(offer as PartOfManifest)
      }
    }
  }
}
