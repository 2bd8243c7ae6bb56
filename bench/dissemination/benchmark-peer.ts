import type { TorrentClient } from 'webtorrent/dist/webtorrent.min.js'
import type { NetworkOptions } from '#web-worker-app/network/network-host.ts'
import type { PeerApi } from './peer-api.ts'
import { SwarmPeer, type PeerNetwork } from './swarm-peer.ts'
import { TorrentPeer } from './torrent-peer.ts'

/** A peer of either way, over whatever network and WebTorrent there is where it runs. */
export function benchmarkPeer(openNetwork: (options: NetworkOptions) => PeerNetwork, openTorrents: () => TorrentClient): PeerApi {
  const peer = new SwarmPeer(openNetwork)
  const torrents = new TorrentPeer(openTorrents)
  return {
    join: links => peer.join(links),
    linked: count => peer.linked(count),
    arrival: version => peer.arrival(version),
    seed: (bytes, tracker) => torrents.seed(bytes, tracker),
    download: (torrentFile, tracker) => torrents.download(torrentFile, tracker)
  }
}
