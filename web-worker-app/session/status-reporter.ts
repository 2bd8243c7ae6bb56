import type { PeerStatus } from '#shared/protocol/peer-status.ts'

const INTERVAL_MS = 1000

/** Tells the newest status, at most once a second. */
export class StatusReporter {
  readonly #tell: (status: PeerStatus) => void
  #newest: PeerStatus | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(tell: (status: PeerStatus) => void) {
    this.#tell = tell
  }

  report({ state, engine, version, tokens, tokensPerSecond, bytesFromOrigin, bytesFromPeers, links, paths = [] }: PeerStatus): void {
    this.#newest = { state, engine, version, tokens, tokensPerSecond, bytesFromOrigin, bytesFromPeers, links, ...(paths.length > 0 && { paths }) }
    if (this.#timer === undefined) this.#send()
  }

  #send(): void {
    this.#timer = undefined
    if (this.#newest === undefined) return
    this.#tell(this.#newest)
    this.#newest = undefined
    this.#timer = setTimeout(() => this.#send(), INTERVAL_MS)
  }
}
