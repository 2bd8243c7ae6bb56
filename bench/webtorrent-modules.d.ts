/** The package has no types of its own. What the benchmarks use of it: the browser's bundle, and the module for Node. */
declare module 'webtorrent/dist/webtorrent.min.js' {
  export interface Torrent {
    readonly torrentFile: Uint8Array
    /** Payload that has arrived. */
    readonly downloaded: number
    once(event: 'wire' | 'done', listener: () => void): void
  }
  export interface TorrentClient {
    seed(file: File, options: { readonly announce: readonly string[] }, seeding: (torrent: Torrent) => void): Torrent
    add(torrentFile: Uint8Array, options: { readonly announce: readonly string[]; readonly strategy?: 'rarest' | 'sequential'; readonly store?: unknown }): Torrent
    on(event: 'error', listener: (error: unknown) => void): void
  }
  const WebTorrent: new (options: { readonly tracker: { readonly rtcConfig: RTCConfiguration } }) => TorrentClient
  export default WebTorrent
}

declare module 'webtorrent' {
  import type { TorrentClient } from 'webtorrent/dist/webtorrent.min.js'
  /** In Node it speaks TCP, UDP and multicast as well, if it is let. */
  const WebTorrent: new (options: { readonly dht: false; readonly lsd: false; readonly natUpnp: false; readonly natPmp: false; readonly utp: false; readonly tracker: { readonly rtcConfig: RTCConfiguration } }) => TorrentClient
  export default WebTorrent
}

declare module 'memory-chunk-store' {
  const MemoryChunkStore: unknown
  export default MemoryChunkStore
}
