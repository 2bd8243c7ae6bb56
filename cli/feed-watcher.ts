/** Follows a run's live feed as an observer, over the same socket as the dashboard. */
import { runFeed, type RunFeed } from '#shared/protocol/run-feed.ts'
import { decode, describeMalformed } from '#shared/protocol/schema.ts'
import { io, type Socket } from 'socket.io-client'

export class FeedWatcher {
  #latest: RunFeed | undefined
  readonly #socket: Socket
  readonly #listeners = new Set<(feed: RunFeed) => void>()

  /** @throws when the server sends a feed that breaks the schema: that is a bug, not an expected refusal. */
  constructor(serverUrl: string) {
    this.#socket = io(serverUrl, { transports: ['websocket'], auth: { role: 'observer' }, reconnectionDelay: 200, reconnectionDelayMax: 1000 })
    this.#socket.on('run_feed', (raw: unknown) => {
      const decoded = decode(runFeed, raw)
      if (decoded.kind === 'malformed') throw new Error(describeMalformed('run_feed', decoded))
      this.#latest = decoded.value
      for (const listener of this.#listeners) listener(decoded.value)
    })
  }

  /** The newest feed; undefined before the first. */
  get latest(): RunFeed | undefined {
    return this.#latest
  }

  onFeed(listener: (feed: RunFeed) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Resolves with the first feed, the newest one included, that satisfies the predicate. */
  waitFor(predicate: (feed: RunFeed) => boolean): Promise<RunFeed> {
    if (this.#latest !== undefined && predicate(this.#latest)) return Promise.resolve(this.#latest)
    return new Promise(resolve => {
      const forget = this.onFeed(feed => {
        if (!predicate(feed)) return
        forget()
        resolve(feed)
      })
    })
  }

  close(): void {
    this.#socket.close()
  }
}
