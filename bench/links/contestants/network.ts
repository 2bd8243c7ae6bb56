/** This project's own: chunks of a policy version, from store to store, through the network workers of two tabs. */
import { cutPolicy } from '#shared/dissemination/manifest.ts'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import { fragmentsOf } from '#shared/pipeline/frame-fragments.ts'
import { describeFault } from '#web-worker-app/mesh/exchange-fault.ts'
import { NetworkHost } from '#web-worker-app/network/network-host.ts'
import { openChunkStore } from '#web-worker-app/storage/open-chunk-store.ts'
import type { BulkSide, Contestant, TabPort } from './contestant.ts'

const SENDER = '1'.repeat(32)
const RECEIVER = '2'.repeat(32)
const PIPELINE = 1
const FRAGMENT_HEADER_BYTES = 5

function openNetwork(other: string, port: TabPort): { readonly network: NetworkHost; readonly side: BulkSide } {
  let linkUp = (): void => undefined
  const linked = new Promise<void>(resolve => void (linkUp = resolve))
  const network = new NetworkHost({
    connectionConfig: () => ({ iceServers: [] }),
    storage: {},
    stored: condition => console.error(`chunks are not kept: ${condition}`),
    // The other tab has everything.
    grant: () => Promise.resolve([]),
    signal: (_, data) => port.signal(data),
    linkLost: peer => console.error(`lost the link to ${peer}`),
    linkDown: () => undefined,
    linkUp: () => linkUp(),
    roundTrip: () => undefined,
    uploaded: () => undefined,
    unavailable: version => console.error(`nobody has version ${version}`),
    changed: () => undefined,
    fault: fault => console.error(describeFault(fault)),
    connectionsUsedUp: () => console.error('no more connections')
  })
  const [incoming, outgoing] = [new MessageChannel(), new MessageChannel()]
  incoming.port2.addEventListener('message', ({ data }: MessageEvent<Uint8Array<ArrayBuffer>>) => port.hiddenStateArrived(data.slice(FRAGMENT_HEADER_BYTES)))
  incoming.port2.start()
  const routed = network.openRoutes({ pipeline: PIPELINE, from: { peer: other, port: incoming.port1 }, to: { peer: other, port: outgoing.port1 } })
  const side = {
    linked: Promise.all([linked, routed]).then(() => undefined),
    takeSignal: (data: string) => network.takeSignal(other, data),
    sendHiddenState: (hiddenState: Uint8Array<ArrayBuffer>) => {
      for (const fragment of fragmentsOf(PIPELINE, hiddenState)) outgoing.port2.postMessage(fragment, [fragment.buffer])
    }
  }
  return { network, side }
}

export const network: Contestant = {
  async openSender(bytes, _tracker, port) {
    const data = new Float32Array(bytes.buffer)
    const tensors = new Map([['weights', { shape: [data.length], data }]])
    const { body, chunks } = cutPolicy({ run: 'links', version: 0, parent: null, kind: 'full', groups: [{ name: 'embed', tensors }] })
    const store = await openChunkStore(Date.now)
    for (const [hash, chunk] of chunks) await store.put(hash, chunk, body)
    const { network, side } = openNetwork(RECEIVER, port)
    await network.bring([body])
    network.introduce(RECEIVER, false)
    return { ...side, offer: body, send: () => undefined }
  },

  async openReceiver(offer, _tracker, port) {
    const { network, side } = openNetwork(SENDER, port)
    network.introduce(SENDER, true)
    return {
      ...side,
      get receivedBytes() {
        return network.bytesFromPeers
      },
      async receive(begun) {
        begun()
        await network.bring([offer as PartOfManifest])
      }
    }
  }
}
