/** The same bytes by WebTorrent: rarest first, from nobody but those whom the tracker names. */
import type { Torrent, TorrentClient } from 'webtorrent/dist/webtorrent.min.js'
import MemoryChunkStore from 'memory-chunk-store'
import type { PeerApi } from './peer-api.ts'

const RANDOM_BYTES_AT_ONCE = 65_536

export class TorrentPeer implements Pick<PeerApi, 'seed' | 'download'> {
  readonly #openClient: () => TorrentClient

  constructor(openClient: () => TorrentClient) {
    this.#openClient = openClient
  }

  async seed(bytes: number, tracker: string): Promise<number[]> {
    const content = new Uint8Array(bytes)
    for (let offset = 0; offset < bytes; offset += RANDOM_BYTES_AT_ONCE) crypto.getRandomValues(content.subarray(offset, offset + RANDOM_BYTES_AT_ONCE))
    const torrent = await new Promise<Torrent>(seeding => this.#open().seed(new File([content], 'version'), { announce: [tracker] }, seeding))
    return [...torrent.torrentFile]
  }

  download(torrentFile: readonly number[], tracker: string): ReturnType<PeerApi['download']> {
    return new Promise(resolve => {
      let heardAt = 0
      const torrent = this.#open().add(new Uint8Array(torrentFile), { announce: [tracker], strategy: 'rarest', store: MemoryChunkStore })
      torrent.once('wire', () => (heardAt = Date.now()))
      torrent.once('done', () => resolve({ heardAt, doneAt: Date.now(), bytesFromOrigin: 0, bytesFromPeers: torrent.downloaded }))
    })
  }

  #open(): TorrentClient {
    const client = this.#openClient()
    client.on('error', error => console.error(String(error)))
    return client
  }
}
