/** One run from its first to its last learner step: brings the parts together and decides when it ends. */
import { join } from 'node:path'
import type { CurriculumRules } from '#shared/coordination/curriculum.ts'
import type { PolicyContent } from '#shared/dissemination/manifest.ts'
import { groupTensors } from '#shared/dissemination/tensor-groups.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { RunEnd } from '#shared/protocol/run-report.ts'
import { PolicyPublisher } from './coordinator/policy-publisher.ts'
import { RunHost } from './coordinator/run-host.ts'
import { ServerConnection } from './coordinator/server-connection.ts'
import { PolicySequence, signPolicy, type SignedPolicy } from './coordinator/signed-policy.ts'
import { Deferred } from './deferred.ts'
import type { LearnerStepMetrics, RolloutGroup } from './learner/learner.ts'
import { now } from './run-clock.ts'
import { describeRun } from './run-description.ts'
import { RunEvaluations } from './run-evaluations.ts'
import { openRunParts, type RunParts } from './run-parts.ts'
import { writeDurably } from './store/durable-file.ts'
import type { RunFile } from './run-file-schema.ts'
import type { RunDirectory } from './store/run-directory.ts'

export interface TrainOptions {
  readonly directory: RunDirectory
  readonly server: { readonly url: string; readonly token: string }
  /** Also written to `report.json` in the run directory. */
  readonly reportFile?: string
  /** What happens, for other programs. */
  readonly say: (event: { readonly event: string; readonly [field: string]: unknown }) => void
  /** One line for the user about something that is wrong but not fatal. */
  readonly warn: (line: string) => void
  /** Asks the run to stop after the step that is under way. */
  readonly stop: AbortSignal
}

const FEED_INTERVAL_MS = 1000

/** @returns how the run ended; either way its directory can be resumed */
export async function train(options: TrainOptions): Promise<'finished' | 'stopped'> {
  const run = await TrainingRun.start(options)
  try {
    return await run.untilEnd()
  } finally {
    await run.close()
  }
}

class TrainingRun {
  readonly #options: TrainOptions
  readonly #parts: RunParts
  readonly #host: RunHost
  readonly #connection: ServerConnection
  readonly #publisher: PolicyPublisher
  readonly #evaluations: RunEvaluations
  readonly #hashes = new Map<number, string>()
  /** Where versions are published as deltas. */
  readonly #sequence: PolicySequence | undefined
  /** Signed, to be announced once the step is stored. */
  readonly #signed = new Map<number, SignedPolicy>()
  readonly #failure = new Deferred<never>()
  readonly #lastStep = new Deferred<Exclude<RunEnd, 'stopped'>>()
  #verifying: Promise<unknown> = Promise.resolve()

  static async start(options: TrainOptions): Promise<TrainingRun> {
    return new TrainingRun(options, await openRunParts(options.directory, options.warn))
  }

  private constructor(options: TrainOptions, parts: RunParts) {
    const { directory, server, say, warn } = options
    const { runFile } = directory
    this.#options = options
    this.#parts = parts
    this.#sequence = parts.lora === null && runFile.deltas ? new PolicySequence(directory.signingKey) : undefined
    const { model, start, learner, verifier } = parts
    for (const part of [learner, verifier, parts.evaluation]) part.failed.catch(error => this.#failure.reject(error))
    this.#host = new RunHost({
      state: start.state,
      ledger: start.ledger,
      book: parts.book,
      curriculum: parts.curriculum,
      curriculumRules: curriculumRules(runFile),
      database: parts.database,
      manifestHashes: this.#hashes,
      terms: { run: directory.run, runSecret: directory.runSecret, maxTokens: runFile.batch.maxTokens, vocabSize: model.config.vocabSize, eosTokenIds: model.config.eosTokenIds },
      ports: {
        now,
        grant: (peer, lease) => this.#connection.grant({ peer, lease }),
        judge: requests => this.#verify(() => verifier.verifier.judge(requests)),
        learn: (version, groups) => this.#learn(version, groups),
        learnt: version => this.#learnt(version),
        decodeText: tokens => model.tokenizer.decode(tokens),
        failed: error => this.#failure.reject(error)
      }
    })
    this.#evaluations = new RunEvaluations({ evaluate: parts.evaluation.evaluate, ledger: start.ledger, checkpoints: parts.checkpoints, bestBy: runFile.evaluation.best, warn })
    this.#connection = new ServerConnection(server.url, server.token, {
      connected: () => this.#publisher.connected(),
      disconnected: () => this.#host.peersUnknown(),
      peerJoined: peer => this.#host.peerIsPresent(peer, true),
      peerLeft: peer => this.#host.peerIsPresent(peer, false),
      workWanted: wish => this.#host.input({ kind: 'work_wanted', ...wish }),
      peerStatus: (peer, status) => this.#host.peerStatus(peer, status),
      refused: refusal => {
        // A lease for a peer that has just left comes back through its departure.
        if (refusal.code !== 'unknown_peer') warn(`the signaling server refused a message (${refusal.code}: ${refusal.detail ?? ''})`)
      },
      submitted: request => this.#host.submitted(request),
      unreachable: reason => warn(`${server.url}: the signaling server cannot be reached (${reason}); still trying`),
      failed: error => this.#failure.reject(error)
    })
    for (const [version, parameters] of start.olderVersions) if (version > 0) this.#sign(version, parameters)
    const newest = start.state.version === 0 ? this.#signNext(0, null) : this.#signNext(start.state.version, parts.newest)
    const base = start.state.version === 0 ? newest : this.#sign(0, null)
    this.#publisher = new PolicyPublisher(this.#connection, server, { description: describeRun(directory, model, parts.lora, parts.newest), tokenizer: parts.tokenizer }, base, newest, {
      opened: () => say({ event: 'run_opened', run: directory.run, version: this.#host.state.version }),
      failed: error => this.#failure.reject(error)
    })
    say({ event: 'prepared', run: directory.run, version: start.state.version })
  }

  async untilEnd(): Promise<'finished' | 'stopped'> {
    const { stop } = this.#options
    const { evaluation } = this.#options.directory.runFile
    const feeding = setInterval(() => this.#showFeed(), FEED_INTERVAL_MS)
    const stopped = new Promise<'stopped'>(resolve => {
      if (stop.aborted) resolve('stopped')
      stop.addEventListener('abort', () => resolve('stopped'), { once: true })
    })
    try {
      if (this.#host.ledger.before === null && evaluation.size > 0) this.#evaluate(0, null)
      this.#host.ledger.phase = 'running'
      if (this.#isDone()) this.#lastStep.resolve('updates_done')
      else this.#host.input({ kind: 'learner_free' })
      const end = await Promise.race([this.#lastStep.promise, stopped, this.#failure.promise])
      this.#host.input({ kind: 'closed' })
      await Promise.race([this.#host.learning, this.#failure.promise])
      if (end !== 'stopped') await Promise.race([this.#finish(), stopped, this.#failure.promise])
      return this.#end(stop.aborted ? 'stopped' : end)
    } finally {
      clearInterval(feeding)
    }
  }

  async close(): Promise<void> {
    this.#host.close()
    await this.#connection.close()
    this.#parts.database.close()
    await Promise.all([this.#parts.learner, this.#parts.verifier, this.#parts.evaluation].map(thread => thread.close()))
  }

  #isDone(): boolean {
    return this.#host.state.version >= this.#options.directory.runFile.updates
  }

  /** The whole run has been sampled and learnt: measure what came of it. */
  async #finish(): Promise<void> {
    this.#host.ledger.phase = 'evaluating'
    this.#showFeed()
    await this.#evaluations.done
    const version = this.#host.state.version
    if (this.#host.ledger.evaluations.at(-1)?.version !== version) this.#evaluate(version, this.#parts.newest)
    await this.#evaluations.done
    const { version: _, ...after } = this.#host.ledger.evaluations.at(-1)!
    this.#host.ledger.after = after
  }

  #end(end: RunEnd): 'finished' | 'stopped' {
    const { directory, reportFile, say } = this.#options
    this.#evaluations.close()
    const phase = end === 'stopped' ? 'stopped' : 'finished'
    Object.assign(this.#host.ledger, { phase, end })
    const feed = this.#host.feed()
    this.#connection.showLastFeed(directory.run, feed)
    const { report } = feed
    const text = `${JSON.stringify(report, null, 2)}\n`
    writeDurably(join(directory.path, 'report.json'), text)
    if (reportFile !== undefined) writeDurably(reportFile, text)
    say({ event: phase, run: directory.run, end, updates: report.updates, eval: report.eval })
    return phase
  }

  #verify<Result>(call: () => Promise<Result>): Promise<Result> {
    const turn = this.#verifying.then(call)
    this.#verifying = turn.catch(() => undefined)
    return turn
  }

  async #learn(version: number, groups: readonly RolloutGroup[]): Promise<LearnerStepMetrics> {
    const { learner, verifier, checkpoints } = this.#parts
    if (version + 1 >= this.#options.directory.runFile.updates) this.#host.input({ kind: 'closed' })
    const batch = this.#options.directory.runFile.mode === 'sequential' ? await this.#rescored(version, groups) : groups
    const { metrics, parameters } = await learner.learner.step(batch)
    checkpoints.write(version + 1, await learner.learner.state())
    await this.#verify(() => verifier.verifier.keep(version + 1, parameters))
    this.#parts.newest = parameters
    this.#signed.set(version + 1, this.#signNext(version + 1, parameters))
    return metrics
  }

  /** Sequential mode is reproducible to the bit: nothing may depend on how rollouts were batched when they were judged. */
  async #rescored(version: number, groups: readonly RolloutGroup[]): Promise<RolloutGroup[]> {
    const scored = await this.#verify(() => this.#parts.verifier.verifier.score(version, groups.flat()))
    let next = 0
    return groups.map(group => group.map(rollout => ({ ...rollout, behaviourLogProbs: scored[next++]! })))
  }

  #learnt(version: number): void {
    const { verifier } = this.#parts
    const { runFile } = this.#options.directory
    const policy = this.#signed.get(version)!
    this.#signed.delete(version)
    this.#publisher.publish(policy)
    const oldest = version - runFile.stalenessBudget - 1
    this.#verify(() => verifier.verifier.forgetBelow(oldest)).catch(error => this.#failure.reject(error))
    for (const kept of this.#hashes.keys()) if (kept < oldest) this.#hashes.delete(kept)
    const metrics = this.#host.ledger.metrics.at(-1)!
    this.#options.say({ event: 'update', ...metrics })
    if (runFile.evaluation.every > 0 && version % runFile.evaluation.every === 0) this.#evaluate(version, this.#parts.newest)
    if (this.#isDone() || this.#options.stop.aborted) this.#lastStep.resolve('updates_done')
    else this.#host.input({ kind: 'learner_free' })
  }

  /** Beside the learner. */
  #evaluate(version: number, parameters: Tensors | null): void {
    this.#measured(version, parameters).catch(error => this.#failure.reject(error))
  }

  async #measured(version: number, parameters: Tensors | null): Promise<void> {
    const { stop } = this.#options.directory.runFile
    const measured = await this.#evaluations.measure(version, parameters)
    this.#options.say({ event: 'evaluated', version, ...measured })
    if (version === 0 || stop.success === undefined || measured.success < stop.success) return
    this.#host.input({ kind: 'closed' })
    this.#lastStep.resolve('success_reached')
  }

  /** To be published after the one that was signed last. */
  #signNext(version: number, parameters: Tensors | null): SignedPolicy {
    return this.#sign(version, parameters, this.#sequence)
  }

  /** @param parameters null for the base model */
  #sign(version: number, parameters: Tensors | null, sequence?: PolicySequence): SignedPolicy {
    const { directory } = this.#options
    const { lora, model } = this.#parts
    const adapter = version > 0 && lora !== null
    const tensors = parameters ?? model.weights
    const content: PolicyContent = { run: directory.run, version, parent: adapter ? 0 : null, kind: adapter ? 'lora' : 'full', groups: groupTensors(tensors) }
    const policy = sequence?.sign(content) ?? signPolicy(content, directory.signingKey)
    this.#hashes.set(version, policy.hash)
    return policy
  }

  #showFeed(): void {
    this.#connection.showFeed(this.#options.directory.run, this.#host.feed())
  }
}

function curriculumRules({ curriculum }: RunFile): CurriculumRules | null {
  if (curriculum === undefined) return null
  const { levels, window, up, down } = curriculum
  return { levels: levels.length, window, up, down }
}
