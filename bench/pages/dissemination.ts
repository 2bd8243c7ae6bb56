/** One peer of the dissemination benchmark in a tab. */
import WebTorrent from 'webtorrent/dist/webtorrent.min.js'
import { NetworkHost } from '#web-worker-app/network/network-host.ts'
import { benchmarkPeer } from '../dissemination/benchmark-peer.ts'
import type { PeerApi } from '../dissemination/peer-api.ts'

declare global {
  interface Window {
    dissemination: PeerApi
  }
}
window.dissemination = benchmarkPeer(
  options => new NetworkHost(options),
  () => new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } } })
)
