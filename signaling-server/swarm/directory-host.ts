/** Hosts the swarm's directory: gives it what front doors report, and the doors what it decides. */
import { randomInt } from 'node:crypto'
import type { Logger } from 'pino'
import { stepSwarmDirectory, type DirectoryInput } from '#shared/dissemination/swarm-directory.ts'
import { createSwarmDirectory, type ConnectionId, type DirectoryEffect, type DirectoryOptions } from '#shared/dissemination/swarm-state.ts'
import { originChunks } from '#shared/dissemination/version-route.ts'
import type { PublishedPolicy } from '#shared/protocol/manifest.ts'
import { refuse, type Refusal } from '#shared/protocol/refusal.ts'
import type { SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import type { ChunkOrigin } from '../http/chunk-origin.ts'
import type { Metrics } from '../http/metrics.ts'
import { tally } from '../tally.ts'
import { DirectoryServing } from './directory-serving.ts'
import type { AskId, Desk, Door, DoorReport } from './door-messages.ts'

interface Sender {
  readonly door: Door
  readonly connection: ConnectionId
  readonly ask: AskId | null
}

interface Received {
  readonly input: DirectoryInput
  readonly sender: Sender | undefined
  /** In milliseconds. */
  readonly receivedAt: number
}

export interface DirectoryHostParts {
  readonly origin: ChunkOrigin
  readonly metrics: Metrics
  readonly log: Logger
  /** Asked before everything that is decided; once false, for good. */
  readonly mayDecide: () => boolean
  /** The clock by which it decides, in milliseconds: who is late, whose time is over. */
  readonly now: () => number
}

export class DirectoryHost {
  /** What tabs generate for people. */
  readonly serving: DirectoryServing
  readonly #parts: DirectoryHostParts
  readonly #directory
  readonly #doors = new Set<Door>()
  readonly #doorOf = new Map<ConnectionId, Door>()
  /** Waiting for verdicts, by number. */
  readonly #submissions = new Map<number, { readonly from: Sender; readonly to: Door }>()
  #submitted = 0
  readonly #inputs: Received[] = []
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: Omit<DirectoryOptions, 'firstPipeline'>, parts: DirectoryHostParts) {
    this.#parts = parts
    this.#directory = createSwarmDirectory({ ...options, firstPipeline: randomInt(2 ** 31) })
    this.serving = new DirectoryServing(this.#directory, input => this.#decide(input))
  }

  /** From now on the door's reports are heard and it is given orders. */
  openDoor(door: Door): Desk {
    this.#doors.add(door)
    for (const [run, chunks] of this.#parts.origin.retainedByRun()) door.carryOut({ kind: 'retain_chunks', run, chunks })
    return { hear: report => this.#hear(door, report) }
  }

  /** Its server is gone, or has lost touch with this one: its pages may live on, and links with them. */
  loseDoor(door: Door): void {
    this.#doors.delete(door)
    for (const [connection, held] of this.#doorOf) {
      if (held !== door) continue
      this.#decide({ kind: 'cut_off', connection })
      this.#doorOf.delete(connection)
    }
    for (const [submission, { from, to }] of this.#submissions) {
      if (from.door === door) this.#submissions.delete(submission)
      else if (to === door) this.#judged(submission, refuse('no_trainer', 'the trainer’s server is gone'))
    }
  }

  /** By what they last said of themselves. */
  peers(): Map<string, number> {
    return tally([...this.#directory.runs.values()].flatMap(run => [...run.peers.values()].map(({ status }) => status?.state ?? 'unknown')))
  }

  /** From now on nobody may join, and nothing new is generated for people. @returns once what was begun for them has ended */
  drain(): Promise<void> {
    this.#decide({ kind: 'drain' })
    return this.serving.drain()
  }

  /** Decides nothing more. */
  close(): void {
    this.serving.close()
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #hear(door: Door, report: DoorReport): void {
    if (!this.#doors.has(door)) return
    if (report.kind === 'verdicts') return this.#judged(report.submission, report.answer, door)
    const { connection } = report
    if (report.kind === 'connected') this.#doorOf.set(connection, door)
    else if (this.#doorOf.get(connection) !== door) return
    const sender = { door, connection, ask: report.kind === 'said' ? report.ask : null }
    if (report.kind === 'said') this.#decide({ kind: report.event, connection, message: report.message, ...this.#known(report) } as DirectoryInput, sender)
    else this.#decide(report, sender)
    if (report.kind === 'disconnected') this.#doorOf.delete(connection)
  }

  /** What the directory has to know besides the message. */
  #known({ event, message, iceServers = [] }: Extract<DoorReport, { kind: 'said' }>): object {
    if (event === 'policy_published') return { missing: this.#parts.origin.missing(originChunks(message as PublishedPolicy)) }
    return event === 'join' ? { iceServers } : {}
  }

  /** What an effect leads to waits until all effects before it are carried out. */
  #decide(input: DirectoryInput, sender?: Sender): void {
    if (this.#closed || !this.#parts.mayDecide()) return
    this.#inputs.push({ input, sender, receivedAt: performance.now() })
    if (this.#inputs.length > 1) return
    for (let next = this.#inputs[0]; next !== undefined; next = this.#inputs[0]) {
      for (const effect of stepSwarmDirectory(this.#directory, next.input, { now: this.#parts.now() })) this.#carryOut(effect, next)
      this.#inputs.shift()
    }
  }

  #carryOut(effect: DirectoryEffect, { sender, receivedAt }: Received): void {
    const { origin, metrics, log } = this.#parts
    switch (effect.kind) {
      case 'tell':
        this.#doorOf.get(effect.to)?.carryOut({ kind: 'tell', to: [effect.to], event: effect.event, payload: effect.payload })
        if (effect.event === 'signal') metrics.signalDelivery.observe((performance.now() - receivedAt) / 1000)
        return
      case 'answer':
        if (sender !== undefined && sender.ask !== null) sender.door.carryOut({ kind: 'answer', ask: sender.ask, answer: effect.answer })
        else if (effect.answer.kind === 'refused') this.#refuse(sender, effect.answer)
        return
      case 'refuse':
        return this.#refuse(sender, effect.refusal)
      case 'forward_submission': {
        const to = this.#doorOf.get(effect.to)
        if (sender === undefined) return
        if (to === undefined) return this.#refuse(sender, refuse('no_trainer'))
        const submission = ++this.#submitted
        this.#submissions.set(submission, { from: sender, to })
        return to.carryOut({ kind: 'submit', to: effect.to, submission, request: effect.request })
      }
      case 'expect_chunks':
        return origin.expect(effect.run, effect.chunks)
      case 'retain_chunks':
        origin.retain(effect.run, effect.chunks)
        for (const door of this.#doors) door.carryOut(effect)
        return
      case 'forget_chunks':
        log.info({ event: 'run_forgotten', run: effect.run })
        origin.forget(effect.run)
        this.serving.forget(effect.run)
        for (const door of this.#doors) door.carryOut(effect)
        return
      case 'renew_ice_servers':
        return this.#doorOf.get(effect.to)?.carryOut(effect)
      case 'sequence_event':
        return this.serving.hear(effect.run, effect.key, effect.event)
      case 'wake_at':
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#decide({ kind: 'wake' }), Math.max(0, effect.time - this.#parts.now()))
        return
      case 'close':
        this.#doorOf.get(effect.connection)?.carryOut(effect)
    }
  }

  #judged(submission: number, answer: SubmissionAnswer, by?: Door): void {
    const pending = this.#submissions.get(submission)
    if (pending === undefined || (by !== undefined && by !== pending.to)) return
    this.#submissions.delete(submission)
    this.#parts.metrics.submissions.inc({ outcome: answer.kind === 'refused' ? answer.code : 'answered' })
    const { door, ask } = pending.from
    if (ask !== null) door.carryOut({ kind: 'answer', ask, answer })
  }

  #refuse(sender: Sender | undefined, refusal: Refusal): void {
    if (sender === undefined) return
    const { door, connection, ask } = sender
    door.carryOut(ask === null ? { kind: 'refuse', connection, refusal } : { kind: 'answer', ask, answer: refusal })
  }
}
