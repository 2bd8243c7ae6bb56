import SimplePeer from 'simple-peer/simplepeer.min.js'
import type { BulkSide, TabPort } from './contestant.ts'

/** As the stage channel of the product's links. */
const CHANNEL = { negotiated: true, id: 100 }

/** A connection by simple-peer, with a second data channel for hidden states. */
export function openSimplePeer(initiator: boolean, port: TabPort): { readonly connection: SimplePeer.Instance; readonly side: BulkSide } {
  const connection = new SimplePeer({ initiator, config: { iceServers: [] } })
  const { _pc: peerConnection } = connection as unknown as { readonly _pc: RTCPeerConnection }
  const channel = peerConnection.createDataChannel('hidden states', CHANNEL)
  channel.binaryType = 'arraybuffer'
  channel.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => port.hiddenStateArrived(new Uint8Array(data)))
  connection.on('signal', data => port.signal(JSON.stringify(data)))
  connection.on('error', error => console.error(String(error)))
  const opened = new Promise(resolve => channel.addEventListener('open', resolve))
  const connected = new Promise<void>(resolve => connection.once('connect', resolve))
  const side = {
    linked: Promise.all([opened, connected]).then(() => undefined),
    takeSignal: (data: string) => connection.signal(data),
    sendHiddenState: (fragment: Uint8Array<ArrayBuffer>) => channel.send(fragment)
  }
  return { connection, side }
}
