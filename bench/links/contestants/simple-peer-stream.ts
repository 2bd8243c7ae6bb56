/** simple-peer's own stream: written to until it says that it has enough, and again when it has drained. */
import type SimplePeer from 'simple-peer'
import type { Contestant } from './contestant.ts'
import { openSimplePeer } from './simple-peer-link.ts'

const WRITE_BYTES = 16 * 1024

async function writeAll(stream: SimplePeer.Instance, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength; offset += WRITE_BYTES) {
    if (!stream.write(bytes.subarray(offset, offset + WRITE_BYTES))) await new Promise<void>(resolve => stream.once('drain', resolve))
  }
}

export const simplePeerStream: Contestant = {
  openSender(bytes, _tracker, port) {
    const { connection, side } = openSimplePeer(false, port)
    return Promise.resolve({ ...side, offer: bytes.byteLength, send: () => void writeAll(connection, bytes) })
  },

  openReceiver(offer, _tracker, port) {
    const { connection, side } = openSimplePeer(true, port)
    let receivedBytes = 0
    return Promise.resolve({
      ...side,
      get receivedBytes() {
        return receivedBytes
      },
      receive(begun) {
        begun()
        return new Promise<void>(resolve => {
          connection.on('data', (data: Uint8Array) => {
            receivedBytes += data.byteLength
            if (receivedBytes === offer) resolve()
          })
        })
      }
    })
  }
}
