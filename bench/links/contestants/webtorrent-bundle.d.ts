/** The browser's bundle; the package has no types of its own. What the benchmark uses of it. */
declare module 'webtorrent/dist/webtorrent.min.js' {
  export interface Torrent {
    readonly torrentFile: Uint8Array
    /** Payload that has arrived. */
    readonly downloaded: number
    once(event: 'wire' | 'done', listener: () => void): void
  }
  export default class WebTorrent {
    constructor(options: { readonly tracker: { readonly rtcConfig: RTCConfiguration } })
    seed(file: File, options: { readonly announce: readonly string[] }, seeding: (torrent: Torrent) => void): Torrent
    add(torrentFile: Uint8Array, options: { readonly announce: readonly string[]; readonly strategy?: 'rarest' | 'sequential' }): Torrent
    on(event: 'error', listener: (error: unknown) => void): void
  }
}
