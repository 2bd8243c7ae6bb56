import * as fc from 'fast-check'
import * as nodeRuntime from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { chooseToken } from '../engine/choose-token.ts'
import { cpuSessionOptions } from '../engine/ort-runtime.ts'
import { createOrtSliceEngine } from '../engine/ort-slice-engine.ts'
import type { SliceEngine } from '../engine/slice-engine.ts'
import { randomAdapter, randomWeights } from '../model/random-weights.ts'
import { wholeModel } from '../model/tensor-names.ts'
import { createRng } from '../random/rng.ts'
import { LoopbackPipeline } from '../testing/loopback-pipeline.ts'
import { runs } from '../testing/property-runs.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import type { SequenceRequest } from './pipeline-driver.ts'

const config = tinyConfig({ layers: 4 })
const weights = randomWeights(config, 'pipeline')
const lora = { rank: 2, alpha: 8, targets: ['q_proj', 'up_proj'] } as const
/** By version; version 0 is the base. */
const adapters = [undefined, randomAdapter(config, lora, 'first'), randomAdapter(config, lora, 'second')]
const useVersion = (engine: SliceEngine, version: number) => engine.setAdapter(adapters[version])
const uniform = (seed: string, t: number) => createRng(`${seed}:${t}`).float()
const open: SliceEngine[] = []

/** Kind `wasm` returns a copy of its cache instead of writing to it, on this runtime too. */
const KINDS = ['node', 'wasm'] as const

async function engineOf(kind: (typeof KINDS)[number], start: number, end: number): Promise<SliceEngine> {
  const slice = { start, end, embed: start === 0, head: end === config.layers }
  const engine = await createOrtSliceEngine({ runtime: nodeRuntime, kind, config, weights, lora, slice, sessionOptions: cpuSessionOptions('cpu', 1) })
  open.push(engine)
  return engine
}

const whole = await engineOf('node', 0, wholeModel(config).end)
const CUTS = [[0, 4], [0, 1, 4], [0, 2, 4], [0, 1, 2, 4], [0, 1, 2, 3, 4]]
const slices = new Map<string, SliceEngine>()
for (const kind of KINDS) {
  for (const cut of CUTS) {
    for (const [index, end] of cut.slice(1).entries()) {
      const name = `${kind} ${cut[index]}-${end}`
      if (!slices.has(name)) slices.set(name, await engineOf(kind, cut[index]!, end))
    }
  }
}
const enginesOf = (kind: string, cut: readonly number[]) => cut.slice(1).map((end, index) => slices.get(`${kind} ${cut[index]}-${end}`)!)

afterAll(() => Promise.all(open.map(engine => engine.release())))

interface Answer {
  readonly tokens: readonly number[]
  readonly logProbs: readonly number[]
  readonly finish: 'stop' | 'length'
}

/** One token after the other, in a cache of its own. */
async function alone({ prompt, maxTokens, seed, temperature, version }: Omit<SequenceRequest, 'drawn'>): Promise<Answer> {
  await useVersion(whole, version)
  const cache = whole.createCache(1, prompt.length + maxTokens)
  const [tokens, logProbs]: [number[], number[]] = [[], []]
  for (;;) {
    const content = tokens.length === 0 ? prompt : tokens.slice(-1)
    const lengths = Int32Array.of(prompt.length + tokens.length)
    const { logits } = await whole.forward({ tokens: Int32Array.from(content), rows: 1, steps: content.length, lengths, logitRows: Int32Array.of(content.length - 1) }, cache)
    const { token, logProb } = chooseToken(logits!, seed === null ? undefined : uniform(seed, tokens.length), temperature)
    tokens.push(token)
    logProbs.push(logProb)
    if (config.eosTokenIds.includes(token)) return { tokens, logProbs, finish: 'stop' }
    if (tokens.length === maxTokens) return { tokens, logProbs, finish: 'length' }
  }
}

const hex = (n: number) => n.toString(16).padStart(64, '0')
const request = fc.record({
  prompt: fc.array(fc.integer({ min: 3, max: 22 }), { minLength: 1, maxLength: 9 }),
  maxTokens: fc.integer({ min: 1, max: 20 }),
  greedy: fc.boolean(),
  samples: fc.integer({ min: 1, max: 4 }),
  temperature: fc.constantFrom(1, 0.6, 1.7),
  version: fc.nat(2),
  interactive: fc.boolean(),
  /** Tokens that it has come to on another pipeline, as far as it has so many. */
  drawn: fc.oneof(fc.constant(0), fc.nat(20)),
  at: fc.nat(60)
})
const cost = fc.record({ fixedMs: fc.nat(20), perRowMs: fc.nat(3) })
/** A number, or costs by which it changes with the sequences of the moment. */
const batching = fc.oneof(
  fc.integer({ min: 1, max: 4 }),
  fc.record({ stages: fc.array(fc.record({ layers: fc.integer({ min: 1, max: 4 }), cost }), { minLength: 1, maxLength: 4 }), linksMs: fc.nat(100) })
)
const story = fc.record({
  cut: fc.constantFrom(...CUTS),
  kind: fc.constantFrom(...KINDS),
  requests: fc.array(request, { minLength: 1, maxLength: 6 }),
  maxRows: fc.integer({ min: 1, max: 9 }),
  batching,
  order: fc.nat(),
  breakdowns: fc.array(fc.nat(120), { maxLength: 3 }),
  givenUp: fc.array(fc.tuple(fc.nat(80), fc.nat(20)), { maxLength: 3 })
})

describe('a pipeline of one to four stages', () => {
  it('gives every sequence the tokens that one stage would give it alone at its version, however works interleave and whenever links break', async () => {
    await fc.assert(
      fc.asyncProperty(story, async ({ cut, kind, requests, maxRows, batching, order, breakdowns, givenUp }) => {
        const pipeline = new LoopbackPipeline({ engines: enginesOf(kind, cut), uniform, maxRows, batching, rng: createRng(`order ${order}`), useVersion })
        const asked: { at: number; expected: Answer; request: SequenceRequest }[] = []
        for (const [index, { greedy, samples, drawn, at, ...rest }] of requests.entries()) {
          for (let sample = 0; sample < samples; sample++) {
            const request = { ...rest, key: `${index}/${sample}`, seed: greedy ? null : hex(index * 16 + sample) }
            const expected = await alone(request)
            asked.push({ at, expected, request: { ...request, drawn: { tokens: expected.tokens.slice(0, drawn), logProbs: expected.logProbs.slice(0, drawn) } } })
          }
        }
        const dropped = new Set<string>()
        for (let turn = 0; ; turn++) {
          const arriving = asked.filter(({ at }) => at === turn).map(({ request }) => request)
          if (arriving.length > 0) pipeline.input({ kind: 'requested', requests: arriving })
          if (breakdowns.includes(turn)) pipeline.breakDown()
          for (const [at, pick] of givenUp) {
            const key = asked[pick % asked.length]!.request.key
            if (at !== turn || pipeline.finished.has(key)) continue
            dropped.add(key)
            pipeline.input({ kind: 'given_up', keys: [key] })
          }
          const busy = await pipeline.turn()
          if (!busy && asked.every(({ at }) => at < turn) && breakdowns.every(at => at < turn)) break
        }
        expect(pipeline.pending).toBe(0)
        expect(pipeline.held).toBe(0)
        for (const { at, expected, request } of asked) {
          const result = pipeline.finished.get(request.key)
          // Given up before it was asked for: that asks for nothing.
          if (dropped.has(request.key) && (result === undefined || givenUp.some(([gone]) => gone >= at))) continue
          expect(result).toMatchObject({ tokens: expected.tokens, finish: expected.finish })
          expect(pipeline.streamed.get(request.key) ?? []).toEqual(request.interactive ? expected.tokens.slice(request.drawn.tokens.length) : [])
          for (const [t, value] of result!.logProbs.entries()) expect(value).toBeCloseTo(expected.logProbs[t]!, 4)
        }
      }),
      runs(40)
    )
  })
})
