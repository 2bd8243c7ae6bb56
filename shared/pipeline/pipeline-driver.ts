/**
 * The first stage's bookkeeping: which sequences wait, which go round in which micro-batch, and what they have become.
 * A machine: its effects are works for the first stage's own engine, tokens for whoever asked, and endings.
 *
 * Every micro-batch takes turns of its own: what has come back is extended by one token, sequences that ended leave and
 * waiting ones enter (Yu et al. 2022, "Orca", §3.2), while the other micro-batches are elsewhere in the pipeline (Huang
 * et al. 2019, "GPipe", §2.3).
 */
import type { PolicyVersion } from '../protocol/identifiers.ts'
import { microBatchesFor, type MicroBatching } from './micro-batching.ts'
import type { DrawnTokens, EnteringSequence, MicroBatchId, SequenceId, StageWork } from './stage-work.ts'

export interface SequenceRequest {
  /** The asker's name for it; unique among those that are not finished. */
  readonly key: string
  readonly prompt: readonly number[]
  /** What it has come to on another first stage: its next token is drawn with the uniform that follows. */
  readonly drawn: { readonly tokens: readonly number[]; readonly logProbs: readonly number[] }
  /** Of the whole answer, what is drawn already included; at least 1; prompt and answer together fit in the context. */
  readonly maxTokens: number
  /** Null: greedy. */
  readonly seed: string | null
  /** The seed's random number that draws the answer's first token: how many were used up before the prompt's end. Absent: none. */
  readonly position?: number
  /** Of the choice of tokens; log-probs are those at temperature 1. */
  readonly temperature: number
  readonly version: PolicyVersion
  /** Somebody waits for every token: it enters before all others, and its tokens are told one by one. The others are told when they are finished. */
  readonly interactive: boolean
}

/**
 * Of all prompts of one prefill together, each as long as the longest; one prompt may be longer. What enters otherwise enters with later works: decodes
 * of others do not wait long, and who computes a work is not taken for one that hangs (Agrawal et al. 2024, "Sarathi-Serve", §4.2, a budget of tokens).
 */
export const PREFILL_TOKENS = 1_024
/** Padding costs what text costs: of the prompts that are prefilled together, the shortest is at least this part of the longest. */
const SIMILAR_LENGTH = 3 / 4

interface Sequence extends Omit<SequenceRequest, 'drawn'> {
  readonly id: SequenceId
  readonly tokens: number[]
  readonly logProbs: number[]
}

interface MicroBatch {
  readonly id: MicroBatchId
  readonly version: PolicyVersion
  /** One more than are kept going: only interactive sequences enter it. */
  readonly extra: boolean
  /** In the order of the rows at every stage. */
  order: Sequence[]
  step: number
  /** Works that are under way: their rows, oldest first. */
  readonly underWay: { readonly step: number; readonly sequences: readonly Sequence[] }[]
  /** Ended or given up; they leave with the next work. */
  readonly leaving: Set<Sequence>
}

export interface PipelineDriverConfig {
  readonly eosTokenIds: readonly number[]
  /** Most sequences in one micro-batch. */
  readonly maxRows: number
}

export interface PipelineDriver {
  config: PipelineDriverConfig
  batching: MicroBatching
  waiting: Sequence[]
  batches: MicroBatch[]
  /** Names for sequences and micro-batches; they only grow, so that a late answer is recognised. */
  nextSequence: SequenceId
  nextBatch: MicroBatchId
}

export type FinishReason = 'stop' | 'length'

export type DriverInput =
  | { readonly kind: 'requested'; readonly requests: readonly SequenceRequest[] }
  | { readonly kind: 'given_up'; readonly keys: readonly string[] }
  | { readonly kind: 'drawn'; readonly drawn: DrawnTokens }
  /** Keys and values are lost: every sequence begins again on another pipeline, from its prompt and the tokens it has. */
  | { readonly kind: 'pipeline_lost' }

export type DriverEffect =
  | { readonly kind: 'run'; readonly work: StageWork }
  /** Every stage may forget the micro-batch. */
  | { readonly kind: 'end'; readonly microBatch: MicroBatchId }
  /** Of an interactive sequence; what was drawn before it was requested is not told again. */
  | { readonly kind: 'token'; readonly key: string; readonly token: number; readonly logProb: number }
  | { readonly kind: 'finished'; readonly key: string; readonly tokens: readonly number[]; readonly logProbs: readonly number[]; readonly finish: FinishReason }

export function createPipelineDriver(config: PipelineDriverConfig, batching: MicroBatching): PipelineDriver {
  return { config, batching, waiting: [], batches: [], nextSequence: 0, nextBatch: 0 }
}

/** Sequences that are neither finished nor given up. */
export function pendingSequences({ waiting, batches }: PipelineDriver): number {
  return batches.reduce((total, { order, leaving }) => total + order.length - leaving.size, waiting.length)
}

/** Keys of the sequences of one version that are neither finished nor given up. */
export function keysOfVersion({ waiting, batches }: PipelineDriver, version: PolicyVersion): string[] {
  const going = batches.flatMap(({ order, leaving }) => order.filter(sequence => !leaving.has(sequence)))
  return [...waiting, ...going].filter(sequence => sequence.version === version).map(({ key }) => key)
}

/** Changes `driver` and @returns what to do, in order. An answer of a lost pipeline or a finished micro-batch is ignored. */
export function stepPipelineDriver(driver: PipelineDriver, input: DriverInput): DriverEffect[] {
  const effects: DriverEffect[] = []
  switch (input.kind) {
    case 'requested':
      for (const request of input.requests) admit(driver, request, effects)
      break
    case 'given_up':
      giveUp(driver, new Set(input.keys))
      break
    case 'drawn':
      takeTokens(driver, input.drawn, effects)
      break
    case 'pipeline_lost':
      replayAll(driver)
  }
  for (const batch of driver.batches) if (batch.underWay.length === 0) takeTurn(driver, batch, effects)
  openBatches(driver, effects)
  driver.batches = driver.batches.filter(batch => batch.underWay.length > 0)
  return effects
}

function admit(driver: PipelineDriver, { drawn, ...request }: SequenceRequest, effects: DriverEffect[]): void {
  const sequence: Sequence = { ...request, id: driver.nextSequence++, tokens: [...drawn.tokens], logProbs: [...drawn.logProbs] }
  const finish = sequence.tokens.length === 0 ? undefined : finishOf(driver, sequence)
  if (finish !== undefined) effects.push(finished(sequence, finish))
  else if (request.interactive) driver.waiting.splice(firstOfOthers(driver.waiting), 0, sequence)
  else driver.waiting.push(sequence)
}

function firstOfOthers(waiting: readonly Sequence[]): number {
  const first = waiting.findIndex(({ interactive }) => !interactive)
  return first < 0 ? waiting.length : first
}

function finishOf({ config }: PipelineDriver, { tokens, maxTokens }: Sequence): FinishReason | undefined {
  if (config.eosTokenIds.includes(tokens.at(-1)!)) return 'stop'
  return tokens.length >= maxTokens ? 'length' : undefined
}

function finished({ key, tokens, logProbs }: Sequence, finish: FinishReason): DriverEffect {
  return { kind: 'finished', key, tokens, logProbs, finish }
}

function giveUp(driver: PipelineDriver, keys: ReadonlySet<string>): void {
  driver.waiting = driver.waiting.filter(({ key }) => !keys.has(key))
  for (const { order, leaving } of driver.batches) for (const sequence of order) if (keys.has(sequence.key)) leaving.add(sequence)
}

function takeTokens(driver: PipelineDriver, drawn: DrawnTokens, effects: DriverEffect[]): void {
  const batch = driver.batches.find(({ id }) => id === drawn.microBatch)
  const oldest = batch?.underWay[0]
  if (batch === undefined || oldest?.step !== drawn.step || oldest.sequences.length !== drawn.tokens.length) return
  batch.underWay.shift()
  for (const [index, sequence] of oldest.sequences.entries()) {
    if (batch.leaving.has(sequence)) continue
    const token = drawn.tokens[index]!
    const logProb = drawn.logProbs[index]!
    sequence.tokens.push(token)
    sequence.logProbs.push(logProb)
    if (sequence.interactive) effects.push({ kind: 'token', key: sequence.key, token, logProb })
    const finish = finishOf(driver, sequence)
    if (finish === undefined) continue
    batch.leaving.add(sequence)
    effects.push(finished(sequence, finish))
  }
}

/** Interactive ones first, and each kind in the order in which it came. */
function replayAll(driver: PipelineDriver): void {
  const lost = driver.batches.flatMap(({ order, leaving }) => order.filter(sequence => !leaving.has(sequence)))
  driver.waiting = [...lost, ...driver.waiting].toSorted((a, b) => Number(b.interactive) - Number(a.interactive) || a.id - b.id)
  driver.batches = []
}

function takeTurn(driver: PipelineDriver, batch: MicroBatch, effects: DriverEffect[]): void {
  const left = removeLeaving(batch)
  const staying = batch.order
  const entering = enter(driver, batch)
  if (staying.length + entering.length === 0) {
    effects.push({ kind: 'end', microBatch: batch.id })
    return
  }
  // In this order every decode is of all rows that a stage has.
  if (staying.length > 0) run(batch, decode(batch, staying, left), staying, effects)
  if (entering.length > 0) run(batch, prefill(batch, entering, staying.length > 0 ? [] : left), entering, effects)
  batch.order = [...staying, ...entering]
}

/** The stages do the same to their rows. @returns who left, in order */
function removeLeaving(batch: MicroBatch): SequenceId[] {
  const left: SequenceId[] = []
  for (const sequence of batch.leaving) {
    left.push(sequence.id)
    const row = batch.order.indexOf(sequence)
    const last = batch.order.pop()!
    if (last !== sequence) batch.order[row] = last
  }
  batch.leaving.clear()
  return left
}

/**
 * This micro-batch's share of what waits: as many as keep all micro-batches equally large, and as one prefill takes. Nobody is overtaken by a
 * request of another version, and nobody for ever: who has waited longest is the first of the next prefill.
 */
function enter(driver: PipelineDriver, batch: MicroBatch): Sequence[] {
  const share = Math.ceil(pendingSequences(driver) / microBatchesToKeep(driver))
  const room = Math.max(0, Math.min(driver.config.maxRows, share) - batch.order.length)
  const other = driver.waiting.findIndex(({ version, interactive }) => version !== batch.version || (batch.extra && !interactive))
  const entering = choosePrefill(driver.waiting.slice(0, other < 0 ? driver.waiting.length : other), room)
  driver.waiting = driver.waiting.filter(sequence => !entering.has(sequence))
  return [...entering]
}

/**
 * Who enters with the first of `candidates`: those whose prompts are about as long, in the order of the queue, while the prefill's budget lasts.
 * Interactive ones come first in it and are not passed over.
 * @param room most sequences
 */
function choosePrefill(candidates: readonly Sequence[], room: number): ReadonlySet<Sequence> {
  const chosen = new Set<Sequence>()
  const prompts = new Set<string>()
  let shortest = Infinity
  let longest = 0
  for (const sequence of candidates) {
    if (chosen.size >= room) break
    const length = sequence.prompt.length + sequence.tokens.length
    const low = Math.min(shortest, length)
    const high = Math.max(longest, length)
    if (chosen.size > 0 && !sequence.interactive && low < SIMILAR_LENGTH * high) continue
    prompts.add(contentOf(sequence).join())
    if (prompts.size > 1 && prompts.size * high > PREFILL_TOKENS) break
    chosen.add(sequence)
    shortest = low
    longest = high
  }
  return chosen
}

/** What a stage has to read before it can go on. */
function contentOf({ prompt, tokens }: Sequence): number[] {
  return [...prompt, ...tokens]
}

function microBatchesToKeep(driver: PipelineDriver): number {
  return microBatchesFor(driver.batching, pendingSequences(driver), driver.config.maxRows)
}

function openBatches(driver: PipelineDriver, effects: DriverEffect[]): void {
  for (let first = driver.waiting[0]; first !== undefined; first = driver.waiting[0]) {
    const going = driver.batches.filter(({ underWay }) => underWay.length > 0)
    const extra = going.filter(batch => !batch.extra).length >= microBatchesToKeep(driver)
    if (extra && !needsOneMore(driver, going, first)) return
    const batch: MicroBatch = { id: driver.nextBatch++, version: first.version, extra, order: [], step: 0, underWay: [], leaving: new Set() }
    driver.batches.push(batch)
    takeTurn(driver, batch, effects)
  }
}

/** Somebody would have to wait until a sequence of others ends. */
function needsOneMore({ config }: PipelineDriver, going: readonly MicroBatch[], { interactive, version }: Sequence): boolean {
  const room = (batch: MicroBatch): boolean => batch.version === version && batch.order.length - batch.leaving.size < config.maxRows
  return interactive && !going.some(batch => batch.extra || room(batch))
}

function run(batch: MicroBatch, work: StageWork, sequences: readonly Sequence[], effects: DriverEffect[]): void {
  batch.underWay.push({ step: work.step, sequences: [...sequences] })
  effects.push({ kind: 'run', work })
}

function prefill(batch: MicroBatch, sequences: readonly Sequence[], left: readonly SequenceId[]): StageWork {
  const rows: (readonly number[])[] = []
  const rowOf = new Map<string, number>()
  const entering = sequences.map((sequence): EnteringSequence => {
    const { id, prompt, tokens, maxTokens, seed, position = 0, temperature } = sequence
    const content = contentOf(sequence)
    const name = content.join()
    const promptRow = rowOf.get(name) ?? rows.push(content) - 1
    rowOf.set(name, promptRow)
    return { id, promptRow, mostTokens: prompt.length + maxTokens, seed, temperature, drawn: position + tokens.length }
  })
  const steps = Math.max(...rows.map(row => row.length))
  const tokens = new Int32Array(rows.length * steps)
  for (const [row, content] of rows.entries()) tokens.set(content, row * steps)
  const lengths = Int32Array.from(rows, row => row.length)
  return { kind: 'prefill', microBatch: batch.id, step: batch.step++, version: batch.version, left, entering, lengths, steps, tokens }
}

function decode(batch: MicroBatch, sequences: readonly Sequence[], left: readonly SequenceId[]): StageWork {
  const tokens = Int32Array.from(sequences, sequence => sequence.tokens.at(-1)!)
  return { kind: 'decode', microBatch: batch.id, step: batch.step++, version: batch.version, left, rows: sequences.length, tokens }
}
