/** The directory's runs as the API sees them: a request goes in as an input, its tokens come back as effects. */
import type { DirectoryInput } from '#shared/dissemination/swarm-directory.ts'
import type { SwarmDirectory, SwarmRun } from '#shared/dissemination/swarm-state.ts'
import type { RunId } from '#shared/protocol/identifiers.ts'
import type { SequenceEvent } from '#shared/serving/serving-state.ts'
import type { SequenceListener, SequenceToServe, ServedRun, ServingPort, ServingRefusal } from '../serving-port.ts'

interface OpenSequence {
  readonly run: RunId
  readonly listener: SequenceListener
}

export class DirectoryServing implements ServingPort {
  readonly #directory: SwarmDirectory
  readonly #decide: (input: DirectoryInput) => void
  /** By key. */
  readonly #open = new Map<string, OpenSequence>()
  #closing = false
  #drained: () => void = () => {}

  constructor(directory: SwarmDirectory, decide: (input: DirectoryInput) => void) {
    this.#directory = directory
    this.#decide = decide
  }

  runs(): ServedRun[] {
    return [...this.#directory.runs.values()].flatMap(run => servedRun(run) ?? [])
  }

  open({ run, ...request }: SequenceToServe, listener: SequenceListener): { close(): void } {
    const known = this.#directory.runs.get(run)
    if (this.#closing || known?.layers === undefined || !known.policies.has(request.version)) {
      listener.refused({ code: this.#closing ? 'shutting_down' : 'unknown_version', missing: [] })
      return { close: () => {} }
    }
    this.#open.set(request.key, { run, listener })
    this.#decide({ kind: 'request_opened', run, request })
    return {
      close: () => {
        if (this.#end(request.key)) this.#decide({ kind: 'request_closed', run, key: request.key })
      }
    }
  }

  hear(run: RunId, key: string, event: SequenceEvent): void {
    const sequence = this.#open.get(key)
    if (sequence?.run !== run) return
    if (event.kind === 'tokens') {
      sequence.listener.tokens(event.tokens, event.logProbs)
      return
    }
    this.#end(key)
    if (event.kind === 'finished') sequence.listener.finished(event.finish)
    else sequence.listener.refused({ code: event.code, missing: event.missing })
  }

  /** The run's trainer has been away for too long. */
  forget(run: RunId): void {
    this.#refuse('unknown_version', sequence => sequence.run === run)
  }

  /** Takes no more. @returns once those that are open have ended */
  async drain(): Promise<void> {
    this.#closing = true
    if (this.#open.size > 0) await new Promise<void>(resolve => (this.#drained = resolve))
  }

  close(): void {
    this.#closing = true
    this.#refuse('shutting_down', () => true)
  }

  #end(key: string): boolean {
    const ended = this.#open.delete(key)
    if (this.#open.size === 0) this.#drained()
    return ended
  }

  #refuse(code: ServingRefusal['code'], concerned: (sequence: OpenSequence) => boolean): void {
    for (const [key, sequence] of this.#open) {
      if (!concerned(sequence)) continue
      this.#end(key)
      sequence.listener.refused({ code, missing: [] })
    }
  }
}

/** @returns undefined before the base model is published, and for a model that tabs cannot compute */
function servedRun({ description, policies, layers, tokenizer, openedAt }: SwarmRun): ServedRun | undefined {
  if (layers === undefined || !policies.has(0)) return undefined
  const versions = [...policies.keys()].toSorted((left, right) => left - right)
  const servable = new Set([...layers.serving.pipelines.values()].flatMap(pipeline => pipeline.versions ?? []))
  return {
    run: description.run,
    versions,
    newest: versions.findLast(version => servable.has(version)) ?? versions.at(-1)!,
    // Tabs have no room for longer ones, whatever the model could do.
    config: { ...layers.config, contextLength: layers.serving.model.contextTokens },
    tokenizer,
    created: Math.floor((Date.now() - (performance.now() - openedAt)) / 1000)
  }
}
