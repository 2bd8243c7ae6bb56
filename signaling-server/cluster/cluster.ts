/**
 * One of several servers that share a swarm. One of them leads: it has the directory. All have front doors; those of the others report to it and are given orders through mailboxes in Redis.
 * Which one leads is decided by a lease (`shared/cluster/leader-election.ts`). Whoever leads next knows nothing: everybody comes back and says everything again (docs/adr/0014).
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { ElectionEffect, Leadership } from '#shared/cluster/leader-election.ts'
import type { ChunkOrigin } from '../http/chunk-origin.ts'
import type { LeaderPlace } from '../http/leader-http.ts'
import type { DirectoryHost } from '../swarm/directory-host.ts'
import type { Desk, DoorOrder } from '../swarm/door-messages.ts'
import type { FrontDoor } from '../swarm/front-door.ts'
import type { ClusterStatus } from './cluster-status.ts'
import { Election } from './election.ts'
import { decodeMail, type Mail } from './mail.ts'
import { RedisStore } from './redis-store.ts'
import { RemoteDoor } from './remote-door.ts'
import { overMail, ServerLink } from './server-link.ts'

export interface ClusterOptions {
  /** redis:// or rediss://, with user, password and database where there are some. */
  readonly redis: string
  /** Under which the other servers reach this one; the address on which it listens unless said. */
  readonly advertise?: string
  /** How long Redis takes a silent leader for alive. Default: three seconds. */
  readonly leaseMs?: number
  /** After how long a silent server is taken for dead. Default: ten seconds. */
  readonly presenceMs?: number
}

export interface ClusterParts {
  readonly door: FrontDoor
  readonly origin: ChunkOrigin
  readonly openHost: (mayDecide: () => boolean) => DirectoryHost
  readonly log: Logger
}

/** To whom this server passes on. */
interface Following {
  readonly leadership: Leadership
  readonly session: string
  readonly link: ServerLink
  readonly since: number
  /** Undefined until it is welcome. */
  url: string | undefined
}

const LEASE_MS = 3_000
const PRESENCE_MS = 10_000
const BEAT_MS = 1_000
/** Clocks of machines differ by less; they are not set, they only run. */
const DRIFT = 0.01
/** Until a hello that nobody answers is said again. */
const HELLO_MS = 3_000

export class Cluster {
  /** The directory, while this server leads. */
  host: DirectoryHost | undefined
  readonly #self = randomUUID()
  readonly #parts: ClusterParts
  readonly #presenceMs: number
  readonly #store: RedisStore
  readonly #election: Election
  #url = ''
  #leadership: Leadership | undefined
  #following: Following | undefined
  /** By session. */
  readonly #doors = new Map<string, { readonly door: RemoteDoor; readonly desk: Desk }>()
  #beat: NodeJS.Timeout | undefined

  /** @param trainerToken servers with another one are another swarm, in the same Redis too */
  constructor({ redis, leaseMs = LEASE_MS, presenceMs = PRESENCE_MS }: ClusterOptions, trainerToken: string, parts: ClusterParts) {
    this.#parts = parts
    this.#presenceMs = presenceMs
    const swarm = createHash('sha256').update(`swarm of ${trainerToken}`).digest('hex').slice(0, 16)
    this.#store = new RedisStore(redis, `murmuration:${swarm}`, this.#self, {
      connected: () => {
        this.#parts.log.info({ event: 'redis_reachable' })
        void this.#store.bePresent(this.#self, this.#presenceMs).catch(() => {})
        this.#election.input({ kind: 'connected' })
      },
      disconnected: () => {
        this.#parts.log.warn({ event: 'redis_unreachable', advice: 'nobody new is let in until it is back; who is here stays' })
        this.#leave()
        this.#election.input({ kind: 'disconnected' })
      },
      mail: text => this.#take(text)
    })
    this.#election = new Election(
      { server: this.#self, leaseMs, renewEveryMs: leaseMs / 3, drift: DRIFT },
      {
        claim: (leadership, ms, mayTake) => this.#store.claim(leadership, ms, mayTake),
        release: leadership => this.#store.release(leadership),
        changed: change => this.#changed(change)
      }
    )
  }

  /** @param url under which others reach this server @throws {ClusterFault} */
  async open(url: string): Promise<void> {
    this.#url = url
    await this.#store.open()
    this.#beat = setInterval(() => this.#beatNow(), BEAT_MS)
  }

  place(): LeaderPlace {
    if (this.host !== undefined && this.#election.leads) return { kind: 'here' }
    const url = this.#following?.url
    return url === undefined ? { kind: 'nobody' } : { kind: 'elsewhere', url }
  }

  status(): ClusterStatus {
    const { kind } = this.place()
    return { role: kind === 'here' ? 'leading' : kind === 'elsewhere' ? 'following' : 'leaderless', redis: this.#store.isConnected ? 'reachable' : 'unreachable' }
  }

  async close(): Promise<void> {
    clearInterval(this.#beat)
    this.#following?.link.send({ kind: 'over' })
    this.#leave()
    await this.#election.resign()
    await this.#store.close()
  }

  #changed(change: Exclude<ElectionEffect, { kind: 'ask' | 'release' | 'wake_at' }>): void {
    switch (change.kind) {
      case 'lead':
        this.#parts.log.info({ event: 'leading', leadership: change.leadership })
        return this.#lead(change.leadership)
      case 'step_down':
        this.#parts.log.warn({ event: 'stepped_down' })
        return this.#stepDown()
      case 'follow':
        return this.#follow(change.leadership)
      case 'leaderless':
        this.#parts.log.warn({ event: 'leaderless' })
        return this.#leave()
    }
  }

  #lead(leadership: Leadership): void {
    this.#leave()
    this.#leadership = leadership
    this.#parts.origin.forgetDecisions()
    // Asked before every decision: a server that stood still learns that its lease is over only when its timers run.
    this.host = this.#parts.openHost(() => this.#election.leads)
    this.#parts.door.attend(this.host.openDoor(this.#parts.door))
  }

  #stepDown(): void {
    for (const { door } of this.#doors.values()) {
      door.link.send({ kind: 'over' })
      door.link.close()
    }
    this.#doors.clear()
    this.#parts.door.attend(undefined)
    this.host?.close()
    this.host = undefined
    this.#leadership = undefined
  }

  #follow(leadership: Leadership): void {
    this.#leave()
    const session = randomUUID()
    const other = leadership.slice(0, leadership.lastIndexOf('/'))
    const link = this.#link(other, leadership, session, () => this.#leave())
    this.#following = { leadership, session, link, since: performance.now(), url: undefined }
    link.send({ kind: 'hello' })
  }

  /** Follows nobody for now. */
  #leave(): void {
    if (this.#following === undefined) return
    this.#following.link.close()
    this.#following = undefined
    this.#parts.door.attend(undefined)
  }

  #link(other: string, leadership: Leadership, session: string, broken: () => void): ServerLink {
    const { log } = this.#parts
    return new ServerLink({ self: this.#self, other, leadership, session, log, broken, send: (server, text) => this.#store.send(server, text) })
  }

  #take(text: string): void {
    const mail = decodeMail(text)
    if (typeof mail === 'string') return this.#parts.log.error({ event: 'malformed_mail', detail: mail })
    if (mail.leadership === this.#leadership) this.#takeAsLeader(mail, text.length)
    else if (mail.session === this.#following?.session) this.#takeOrder(this.#following, mail, text.length)
  }

  #takeAsLeader(mail: Mail, bytes: number): void {
    const { session, from, body } = mail
    const { host } = this
    if (host === undefined) return
    if (body.kind === 'hello') {
      for (const [former, { door }] of this.#doors) if (door.server === from) this.#lose(former)
      const link = this.#link(from, mail.leadership, session, () => this.#lose(session))
      const door = new RemoteDoor(from, link)
      link.take(mail, bytes)
      link.send({ kind: 'welcome', url: this.#url })
      this.#doors.set(session, { door, desk: host.openDoor(door) })
      return
    }
    const open = this.#doors.get(session)
    if (open === undefined) {
      if (body.kind !== 'over') this.#store.send(from, overMail({ from: this.#self, leadership: mail.leadership, session })).catch(() => {})
      return
    }
    if (body.kind === 'over') return this.#lose(session)
    if (!open.door.link.take(mail, bytes)) return
    if (body.kind === 'report') open.desk.hear(body.report)
    else if (body.kind === 'beat') open.door.link.send({ kind: 'beat' })
  }

  /** Its server is gone or lost touch: it says hello again when it lives. */
  #lose(session: string): void {
    const open = this.#doors.get(session)
    if (open === undefined) return
    this.#doors.delete(session)
    open.door.link.close()
    this.#parts.log.info({ event: 'server_lost', server: open.door.server })
    this.host?.loseDoor(open.door)
  }

  #takeOrder(following: Following, mail: Mail, bytes: number): void {
    const { body } = mail
    if (body.kind === 'over') return this.#leave()
    if (!following.link.take(mail, bytes)) return
    if (body.kind === 'welcome') {
      following.url = body.url
      this.#parts.origin.forgetDecisions()
      this.#parts.log.info({ event: 'following', leadership: following.leadership, url: body.url })
      this.#parts.door.attend({ hear: report => following.link.send({ kind: 'report', report }) })
    } else if (body.kind === 'order') this.#carryOut(body.order)
  }

  #carryOut(order: DoorOrder): void {
    const { origin, door } = this.#parts
    if (order.kind === 'retain_chunks') origin.retain(order.run, order.chunks)
    else if (order.kind === 'forget_chunks') origin.forget(order.run)
    else door.carryOut(order)
  }

  #beatNow(): void {
    if (!this.#store.isConnected) return
    this.#store.bePresent(this.#self, this.#presenceMs).catch(() => {})
    const following = this.#following
    const leadership = this.#election.following
    if (following?.url !== undefined) following.link.send({ kind: 'beat' })
    else if (leadership !== undefined && (following === undefined || performance.now() - following.since > HELLO_MS)) this.#follow(leadership)
    for (const [session, { door }] of this.#doors) {
      void this.#store.isPresent(door.server).then(
        present => {
          if (!present) this.#lose(session)
        },
        () => {}
      )
    }
  }
}
