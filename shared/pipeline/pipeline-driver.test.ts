import { describe, expect, it } from 'vitest'
import { createPipelineDriver, pendingSequences, PREFILL_TOKENS, stepPipelineDriver, type DriverEffect, type PipelineDriver, type SequenceRequest } from './pipeline-driver.ts'
import type { StageWork } from './stage-work.ts'

const EOS = 2

function request(key: string, { version = 0, maxTokens = 3, prompt = [1], interactive = false, tokens = [] as number[] } = {}): SequenceRequest {
  return { key, prompt, drawn: { tokens, logProbs: tokens.map(() => -1) }, maxTokens, seed: null, temperature: 1, version, interactive }
}

function works(effects: readonly DriverEffect[]): StageWork[] {
  return effects.flatMap(effect => (effect.kind === 'run' ? [effect.work] : []))
}

function rowsOf(work: StageWork): number {
  return work.kind === 'prefill' ? work.entering.length : work.rows
}

/** The last stage draws the same token for every row. */
function draw(driver: PipelineDriver, work: StageWork, token: number): DriverEffect[] {
  const { microBatch, step, version } = work
  const count = rowsOf(work)
  return stepPipelineDriver(driver, { kind: 'drawn', drawn: { kind: 'drawn', microBatch, step, version, tokens: new Int32Array(count).fill(token), logProbs: new Float32Array(count) } })
}

describe('the pipeline driver', () => {
  it('spreads what waits evenly over its micro-batches and prefills a shared prompt once', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 64 }, 3)
    const started = works(stepPipelineDriver(driver, { kind: 'requested', requests: Array.from({ length: 12 }, (_, index) => request(String(index))) }))
    expect(started.map(work => [work.kind, work.microBatch, rowsOf(work), work.tokens!.length])).toEqual([
      ['prefill', 0, 4, 1],
      ['prefill', 1, 4, 1],
      ['prefill', 2, 4, 1]
    ])
  })

  it('prefills no more at once than its budget of tokens, a shared prompt counted once, one prompt of any length, and together what is about as long', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 64 }, 1)
    const prompt = (first: number, length: number) => [first, ...Array.from({ length: length - 1 }, () => 7)]
    const lengths = [PREFILL_TOKENS / 2, PREFILL_TOKENS / 2, 10, 10, 2 * PREFILL_TOKENS, 10]
    const requests = lengths.flatMap((length, first) => ['a', 'b'].map(sample => request(`${first}${sample}`, { prompt: prompt(first, length), maxTokens: 9 })))
    const prefilled: number[][] = []
    let next = works(stepPipelineDriver(driver, { kind: 'requested', requests }))
    while (prefilled.flat().length < lengths.length) {
      prefilled.push(...next.flatMap(work => (work.kind === 'prefill' ? [[...work.lengths]] : [])))
      next = works(next.flatMap(work => draw(driver, work, 9)))
    }
    const [half, little] = [PREFILL_TOKENS / 2, 10]
    expect(prefilled).toEqual([[half, half], [little, little, little], [2 * PREFILL_TOKENS]])
  })

  it('passes over nobody who is waited for, however long the prompts, and lets others of such lengths enter later', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 64 }, 1)
    const prompt = (length: number) => Array.from({ length }, () => 7)
    const requests = [request('leased', { prompt: prompt(11) }), request('short', { prompt: prompt(10), interactive: true }), request('long', { prompt: prompt(100), interactive: true })]
    const [first] = works(stepPipelineDriver(driver, { kind: 'requested', requests }))
    expect(first).toMatchObject({ kind: 'prefill', lengths: Int32Array.of(10, 100) })
    const next = works(draw(driver, first!, 9))
    expect(next).toMatchObject([{ kind: 'decode', rows: 2 }, { kind: 'prefill', lengths: Int32Array.of(11) }])
  })

  it('cuts by the costs that it is told: few sequences that steps cost the same for stay together, many are spread', () => {
    const stage = { layers: 2, cost: { fixedMs: 10, perRowMs: 1 } }
    const startedBy = (sequences: number): number[] => {
      const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 64 }, { stages: [stage, stage], linksMs: 1 })
      return works(stepPipelineDriver(driver, { kind: 'requested', requests: Array.from({ length: sequences }, (_, index) => request(String(index))) })).map(rowsOf)
    }
    expect(startedBy(4)).toEqual([4])
    expect(startedBy(64).length).toBeGreaterThan(1)
  })

  it('lets sequences enter at the next turn of a micro-batch, beside those that go on', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 4 }, 1)
    const [first] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('a'), request('b')] }))
    expect(works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('c', { interactive: true }), request('d'), request('e')] }))).toEqual([])
    const next = works(draw(driver, first!, 9))
    expect(next.map(work => [work.kind, rowsOf(work)])).toEqual([['decode', 2], ['prefill', 2]])
    expect(draw(driver, next[0]!, 9)).toEqual([])
    const entered = draw(driver, next[1]!, 9)
    expect(entered).toContainEqual({ kind: 'token', key: 'c', token: 9, logProb: 0 })
    expect(works(entered).map(rowsOf)).toEqual([4])
    expect(pendingSequences(driver)).toBe(5)
  })

  it('reports who stopped and who reached the limit, and tells the stages who left', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 4 }, 1)
    const [first] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('short', { maxTokens: 1 }), request('long')] }))
    const effects = draw(driver, first!, 9)
    expect(effects).toContainEqual({ kind: 'finished', key: 'short', tokens: [9], logProbs: [0], finish: 'length' })
    const [second] = works(effects)
    expect(second).toMatchObject({ kind: 'decode', rows: 1, left: [0] })
    const end = draw(driver, second!, EOS)
    expect(end).toContainEqual({ kind: 'finished', key: 'long', tokens: [9, EOS], logProbs: [0, 0], finish: 'stop' })
    expect(end.at(-1)).toEqual({ kind: 'end', microBatch: 0 })
  })

  it('keeps versions apart, and nobody overtakes a request of another version', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 4 }, 1)
    const [first] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('a', { maxTokens: 2 })] }))
    stepPipelineDriver(driver, { kind: 'requested', requests: [request('new', { version: 1 }), request('old')] })
    const [second] = works(draw(driver, first!, 9))
    expect(second).toMatchObject({ kind: 'decode', version: 0, rows: 1 })
    const [third] = works(draw(driver, second!, 9))
    expect(third).toMatchObject({ kind: 'prefill', version: 1 })
    expect(rowsOf(third!)).toBe(1)
  })

  it('begins again elsewhere with the tokens it has, in the order of arrival, and ignores what the lost pipeline still answers', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 4 }, 1)
    const [first] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('a', { prompt: [1, 5] }), request('b', { prompt: [1, 6] })] }))
    const [second] = works(draw(driver, first!, 9))
    const [again] = works(stepPipelineDriver(driver, { kind: 'pipeline_lost' }))
    expect(again).toMatchObject({ kind: 'prefill', tokens: Int32Array.of(1, 5, 9, 1, 6, 9), entering: [{ id: 0, drawn: 1, mostTokens: 5 }, { id: 1, drawn: 1 }] })
    expect(again!.microBatch).not.toBe(second!.microBatch)
    expect(draw(driver, second!, 8)).toEqual([])
  })

  it('lets people enter first and tells their tokens one by one', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 3 }, 1)
    const [first] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('a'), request('b')] }))
    expect(stepPipelineDriver(driver, { kind: 'requested', requests: [request('leased'), request('asked', { interactive: true })] })).toEqual([])
    const next = works(draw(driver, first!, 9))
    draw(driver, next[0]!, 9)
    expect(draw(driver, next[1]!, 9)).toContainEqual({ kind: 'token', key: 'asked', token: 9, logProb: 0 })
  })

  it('opens one more micro-batch for somebody whom no row or no version lets in, and for nobody else', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 2 }, 1)
    const [first] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('a'), request('b'), request('c')] }))
    const [extra, ...none] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('asked', { interactive: true, version: 1 }), request('other', { interactive: true, version: 2 })] }))
    expect(none).toEqual([])
    expect(extra).toMatchObject({ microBatch: 1, version: 1, entering: [{ id: 3 }] })
    expect(works(draw(driver, extra!, EOS))).toMatchObject([{ microBatch: 2, version: 2, entering: [{ id: 4 }] }])
    expect(works(draw(driver, first!, EOS))).toMatchObject([{ kind: 'prefill', microBatch: 0, entering: [{ id: 2 }] }])
  })

  it('goes on with what a sequence has come to elsewhere, and is done at once with one that has ended', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 4 }, 1)
    const ended = [request('stopped', { tokens: [9, EOS] }), request('full', { tokens: [7, 8, 9], interactive: true })]
    expect(stepPipelineDriver(driver, { kind: 'requested', requests: ended })).toEqual([
      { kind: 'finished', key: 'stopped', tokens: [9, EOS], logProbs: [-1, -1], finish: 'stop' },
      { kind: 'finished', key: 'full', tokens: [7, 8, 9], logProbs: [-1, -1, -1], finish: 'length' }
    ])
    const [work] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('begun', { tokens: [7, 8] })] }))
    expect(work).toMatchObject({ kind: 'prefill', tokens: Int32Array.of(1, 7, 8), entering: [{ drawn: 2, mostTokens: 4 }] })
    expect(draw(driver, work!, 5)).toContainEqual({ kind: 'finished', key: 'begun', tokens: [7, 8, 5], logProbs: [-1, -1, 0], finish: 'length' })
  })

  it('frees the row of a sequence that is given up at the next turn, and says nothing more of it', () => {
    const driver = createPipelineDriver({ eosTokenIds: [EOS], maxRows: 4 }, 1)
    const [first] = works(stepPipelineDriver(driver, { kind: 'requested', requests: [request('a'), request('b')] }))
    expect(stepPipelineDriver(driver, { kind: 'given_up', keys: ['a', 'nobody'] })).toEqual([])
    expect(pendingSequences(driver)).toBe(1)
    const effects = draw(driver, first!, 9)
    expect(effects.filter(effect => 'key' in effect && effect.key === 'a')).toEqual([])
    expect(works(effects)).toMatchObject([{ kind: 'decode', rows: 1, left: [0] }])
  })
})
