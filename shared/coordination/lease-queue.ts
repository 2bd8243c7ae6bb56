/** The work that a tab has been given and has not begun, oldest version and then oldest prompt first, and how it is cut into batches for the engine. */
import type { Lease, LeasedSample } from '../protocol/lease.ts'

/** The samples of one prompt of one lease; `tokens` are the prompt's. */
export interface PromptWork {
  readonly lease: string
  readonly prompt: number
  readonly tokens: readonly number[]
  readonly samples: readonly LeasedSample[]
}

/** What an engine is given at once: samples of one policy version with one length limit. */
export interface Batch {
  readonly id: number
  readonly version: number
  readonly manifestHash: string
  readonly maxTokens: number
  /** Time at which the first of its leases ends. */
  readonly expires: number
  readonly prompts: readonly PromptWork[]
}

export interface QueuedLease {
  readonly id: string
  readonly version: number
  readonly manifestHash: string
  readonly maxTokens: number
  /** Time after which the trainer may have leased the rest to others. */
  readonly expires: number
  prompts: PromptWork[]
}

export interface LeaseQueue {
  leases: QueuedLease[]
}

export function createLeaseQueue(): LeaseQueue {
  return { leases: [] }
}

/**
 * A lease that is already queued is not queued twice. What the learner needs first goes first: the next turn of a rollout that began long
 * ago must not wait behind first turns of others, or it is too old before its last.
 */
export function addLease(queue: LeaseQueue, lease: Lease, now: number): void {
  if (queue.leases.some(({ id }) => id === lease.id)) return
  queue.leases.push({
    id: lease.id,
    version: lease.version,
    manifestHash: lease.manifestHash,
    maxTokens: lease.maxTokens,
    expires: now + lease.durationMs,
    prompts: lease.prompts.map(({ prompt, tokens, samples }) => ({ lease: lease.id, prompt, tokens, samples }))
  })
  queue.leases.sort((a, b) => a.version - b.version || oldestPrompt(a) - oldestPrompt(b))
}

function oldestPrompt({ prompts }: QueuedLease): number {
  return Math.min(...prompts.map(({ prompt }) => prompt))
}

export function dropExpired(queue: LeaseQueue, now: number): void {
  queue.leases = queue.leases.filter(({ expires }) => expires > now)
}

/** @returns samples, over all prompts */
export function sampleCount(prompts: readonly PromptWork[]): number {
  return prompts.reduce((total, { samples }) => total + samples.length, 0)
}

export function queuedRollouts(queue: LeaseQueue): number {
  return queue.leases.reduce((total, { prompts }) => total + sampleCount(prompts), 0)
}

/** Versions that queued leases ask for, oldest first. */
export function queuedVersions(queue: LeaseQueue): number[] {
  return [...new Set(queue.leases.map(({ version }) => version))]
}

/**
 * Takes at most `rows` samples off the queue: of `first`, which decides version and length limit, and of other leases that
 * agree with it. Samples of a prompt stay together, because its prefill is shared.
 */
export function takeBatch(queue: LeaseQueue, first: QueuedLease, id: number, rows: number): Batch {
  const { version, manifestHash, maxTokens } = first
  const prompts: PromptWork[] = []
  let room = rows
  let expires = first.expires
  for (const lease of queue.leases) {
    if (room === 0) break
    if (lease.manifestHash !== manifestHash || lease.maxTokens !== maxTokens) continue
    expires = Math.min(expires, lease.expires)
    const rest: PromptWork[] = []
    for (const work of lease.prompts) {
      const taken = work.samples.slice(0, room)
      room -= taken.length
      if (taken.length > 0) prompts.push({ ...work, samples: taken })
      if (taken.length < work.samples.length) rest.push({ ...work, samples: work.samples.slice(taken.length) })
    }
    lease.prompts = rest
  }
  queue.leases = queue.leases.filter(lease => lease.prompts.length > 0)
  return { id, version, manifestHash, maxTokens, expires, prompts }
}

/** Names one sample among all that a tab holds: a rollout may be leased again after its lease ended. */
export function sampleKey(lease: string, prompt: number, index: number): string {
  return `${lease}/${prompt}/${index}`
}

export function sampleKeys({ prompts }: Batch): string[] {
  return prompts.flatMap(({ lease, prompt, samples }) => samples.map(({ index }) => sampleKey(lease, prompt, index)))
}

function unfinishedWork({ prompts }: Batch, finished: ReadonlySet<string>): PromptWork[] {
  return prompts
    .map(work => ({ ...work, samples: work.samples.filter(({ index }) => !finished.has(sampleKey(work.lease, work.prompt, index))) }))
    .filter(({ samples }) => samples.length > 0)
}

/** Puts the rest of a batch that ended early back to the front, to be generated again: the seeds are the same, so the rollouts will be. */
export function putBack(queue: LeaseQueue, batch: Batch, finished: ReadonlySet<string>): void {
  const { version, manifestHash, maxTokens, expires } = batch
  for (const work of unfinishedWork(batch, finished).toReversed()) {
    const queued = queue.leases.find(lease => lease.id === work.lease)
    if (queued === undefined) queue.leases.unshift({ id: work.lease, version, manifestHash, maxTokens, expires, prompts: [work] })
    else queued.prompts.unshift(work)
  }
}
