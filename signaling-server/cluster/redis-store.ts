/** What servers of one swarm keep in Redis: the lease of the one that leads, who is there, and a mailbox for each. */
import { setTimeout as wait } from 'node:timers/promises'
import { createClient, defineScript, type CommandParser } from '@redis/client'

/** Redis cannot be used; the message says which one, and what to do. */
export class ClusterFault extends Error {
  override readonly name = 'ClusterFault'
}

export interface StoreEvents {
  /** Also after every loss. */
  readonly connected: () => void
  readonly disconnected: () => void
  /** What stands in the mailbox, in order. The same may come twice after a loss. */
  readonly mail: (text: string) => void
}

/**
 * Renews the lease if it is ours, takes it if nobody has it and we may; says whose it is. In one step, so that nobody comes in between.
 * KEYS: the lease. ARGV: our name, milliseconds, 1 if it may be taken.
 */
const CLAIM = `
local holder = redis.call('GET', KEYS[1])
if not holder and ARGV[3] == '1' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return ARGV[1]
end
if holder == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return holder
`
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`

/** A mailbox that nobody writes to or empties for so long is a dead server's. */
const MAILBOX_MS = 60_000
/** Redis drops the oldest beyond it; the reader sees the gap. Above what two servers may leave unconfirmed (`LINK_LIMITS`). */
const MAILBOX_LENGTH = 65_536
const READ_AT_ONCE = 16
const READ_BLOCK_MS = 5_000
/** While the connection is lost, and comes back by itself. */
const READ_RETRY_MS = 100
const RECONNECT_MOST_MS = 1_000

const parse = (parser: CommandParser, key: string, ...args: string[]): void => {
  parser.pushKey(key)
  parser.push(...args)
}
const SCRIPTS = {
  claim: defineScript({ SCRIPT: CLAIM, NUMBER_OF_KEYS: 1, IS_READ_ONLY: false, parseCommand: parse, transformReply: (reply: unknown) => (typeof reply === 'string' ? reply : null) }),
  release: defineScript({ SCRIPT: RELEASE, NUMBER_OF_KEYS: 1, IS_READ_ONLY: false, parseCommand: parse, transformReply: (_reply: unknown) => undefined })
}

function connect(url: string, isOpen: () => boolean) {
  return createClient({
    url,
    scripts: SCRIPTS,
    // What cannot be sent now must fail now: sent later, it would be of another time.
    disableOfflineQueue: true,
    socket: { connectTimeout: 5_000, reconnectStrategy: (retries, cause) => (isOpen() ? Math.min(50 * 2 ** retries, RECONNECT_MOST_MS) : cause) }
  })
}

export class RedisStore {
  readonly #url: string
  readonly #prefix: string
  readonly #mailbox: string
  readonly #events: StoreEvents
  readonly #commands: ReturnType<typeof connect>
  readonly #reader: ReturnType<typeof connect>
  #isOpen = false
  #isConnected = false
  #reading: Promise<void> | undefined

  /** @param prefix of all keys; @param self names this server */
  constructor(url: string, prefix: string, self: string, events: StoreEvents) {
    this.#url = url
    this.#prefix = prefix
    this.#mailbox = this.#key('mail', self)
    this.#events = events
    this.#commands = connect(url, () => this.#isOpen)
    this.#reader = connect(url, () => this.#isOpen)
    // Without a listener an error ends the process. What failed is told to whoever asked; that the connection is lost, by these:
    for (const client of [this.#commands, this.#reader]) client.on('error', () => this.#lost())
    this.#commands.on('reconnecting', () => this.#lost())
    this.#commands.on('end', () => this.#lost())
    this.#commands.on('ready', () => this.#found())
    this.#reader.on('ready', () => this.#found())
  }

  /** @throws {ClusterFault} */
  async open(): Promise<void> {
    try {
      await Promise.all([this.#commands.connect(), this.#reader.connect()])
    } catch (error) {
      for (const client of [this.#commands, this.#reader]) if (client.isOpen) client.destroy()
      throw new ClusterFault(`--redis: ${hidePassword(this.#url)} cannot be used (${reason(error)}): start Redis there, or name another`)
    }
    this.#isOpen = true
    this.#found()
    this.#reading = this.#read()
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /** @returns who has the lease then; null: nobody @throws when Redis does not answer */
  claim(leadership: string, leaseMs: number, mayTake: boolean): Promise<string | null> {
    return this.#commands.claim(this.#key('leader'), leadership, String(leaseMs), mayTake ? '1' : '0')
  }

  async release(leadership: string): Promise<void> {
    await this.#commands.release(this.#key('leader'), leadership)
  }

  /** Says that this server is there, for so long. */
  async bePresent(self: string, ms: number): Promise<void> {
    await this.#commands.set(this.#key('server', self), '', { expiration: { type: 'PX', value: ms } })
  }

  async isPresent(server: string): Promise<boolean> {
    return (await this.#commands.exists(this.#key('server', server))) === 1
  }

  /** To one server what is sent first arrives first. @throws when it may not have arrived */
  async send(server: string, text: string): Promise<void> {
    const key = this.#key('mail', server)
    await Promise.all([
      this.#commands.xAdd(key, '*', { mail: text }, { TRIM: { strategy: 'MAXLEN', strategyModifier: '~', threshold: MAILBOX_LENGTH } }),
      this.#commands.pExpire(key, MAILBOX_MS)
    ])
  }

  async close(): Promise<void> {
    this.#isOpen = false
    this.#isConnected = false
    // Whatever was said before is sent; a Redis that does not answer is not waited for.
    if (this.#commands.isReady) await this.#commands.unlink(this.#mailbox).catch(() => {})
    for (const client of [this.#commands, this.#reader]) if (client.isOpen) client.destroy()
    await this.#reading
  }

  async #read(): Promise<void> {
    const start = '0-0'
    let last = start
    while (this.#isOpen) {
      try {
        const streams = await this.#reader.xRead({ key: this.#mailbox, id: last }, { COUNT: READ_AT_ONCE, BLOCK: READ_BLOCK_MS })
        const entries = streams?.flatMap(({ messages }) => messages) ?? []
        if (entries.length === 0) continue
        last = String(entries.at(-1)!.id)
        // What could not be deleted is read again after the next loss, and known.
        this.#commands.xDel(this.#mailbox, entries.map(({ id }) => String(id))).catch(() => {})
        for (const { message } of entries) this.#events.mail(String(message['mail']))
      } catch {
        if (!this.#isOpen) return
        last = start
        await wait(READ_RETRY_MS)
      }
    }
  }

  #found(): void {
    if (!this.#isOpen || this.#isConnected || !this.#commands.isReady || !this.#reader.isReady) return
    this.#isConnected = true
    this.#events.connected()
  }

  #lost(): void {
    if (!this.#isConnected) return
    this.#isConnected = false
    this.#events.disconnected()
  }

  #key(...parts: readonly string[]): string {
    return [this.#prefix, ...parts].join(':')
  }
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}

function hidePassword(text: string): string {
  const url = new URL(text)
  url.password = ''
  url.username = ''
  return url.href
}
