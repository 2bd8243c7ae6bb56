/** What the benchmark asks of a peer, be it a tab or a process. */

/** Of one version at one peer. Times are of the machine's clock, which all peers share, in milliseconds. */
export interface Arrival {
  /** Announced, or met the first peer that may have it. */
  readonly heardAt: number
  readonly doneAt: number
  readonly bytesFromOrigin: number
  readonly bytesFromPeers: number
}

export interface PeerApi {
  /** @param links whether it may link to others; otherwise everything comes from the origin */
  join(links: boolean): void
  /** @returns once so many links are up */
  linked(count: number): Promise<void>
  arrival(version: number): Promise<Arrival>
  /** Has random bytes, and gives them to whoever the tracker sends. @returns the torrent file */
  seed(bytes: number, tracker: string): Promise<number[]>
  download(torrentFile: readonly number[], tracker: string): Promise<Arrival>
}
