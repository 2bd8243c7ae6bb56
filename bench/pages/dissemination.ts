/** One peer of the dissemination benchmark in a tab. */
import WebTorrent from 'webtorrent/dist/webtorrent.min.js'
import { NetworkHost } from '#web-worker-app/network/network-host.ts'
import type { PeerApi } from '../dissemination/peer-api.ts'
import { SwarmPeer } from '../dissemination/swarm-peer.ts'
import { TorrentPeer } from '../dissemination/torrent-peer.ts'

const peer = new SwarmPeer(options => new NetworkHost(options))
const torrents = new TorrentPeer(() => new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } } }))

const dissemination: PeerApi = {
  join: links => peer.join(links),
  linked: count => peer.linked(count),
  arrival: version => peer.arrival(version),
  seed: (bytes, tracker) => torrents.seed(bytes, tracker),
  download: (torrentFile, tracker) => torrents.download(torrentFile, tracker)
}

declare global {
  interface Window {
    dissemination: PeerApi
  }
}
window.dissemination = dissemination
