/** WebTorrent, one file from a seed to a peer that a tracker introduces. Hidden states have a connection of their own beside it. */
import WebTorrent, { type Torrent, type TorrentClient } from 'webtorrent/dist/webtorrent.min.js'
import type { Contestant } from './contestant.ts'
import { openSimplePeer } from './simple-peer-link.ts'

function openClient(): TorrentClient {
  const client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } } })
  client.on('error', error => console.error(String(error)))
  return client
}

export const webTorrent: Contestant = {
  async openSender(bytes, tracker, port) {
    const { side } = openSimplePeer(false, port)
    const torrent = await new Promise<Torrent>(seeding => openClient().seed(new File([bytes], 'weights'), { announce: [tracker] }, seeding))
    return { ...side, offer: [...torrent.torrentFile], send: () => undefined }
  },

  openReceiver(offer, tracker, port) {
    const { side } = openSimplePeer(true, port)
    let torrent: Torrent | undefined
    return Promise.resolve({
      ...side,
      get receivedBytes() {
        return torrent?.downloaded ?? 0
      },
      receive(begun) {
        return new Promise<void>(resolve => {
          torrent = openClient().add(new Uint8Array(offer as number[]), { announce: [tracker] })
          torrent.once('wire', begun)
          torrent.once('done', resolve)
        })
      }
    })
  }
}
