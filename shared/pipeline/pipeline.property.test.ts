import * as fc from 'fast-check'
import * as nodeRuntime from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { BatchGenerator } from '../engine/batch-generator.ts'
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

async function engineOf(start: number, end: number): Promise<SliceEngine> {
  const slice = { start, end, embed: start === 0, head: end === config.layers }
  const engine = await createOrtSliceEngine({ runtime: nodeRuntime, kind: 'node', config, weights, lora, slice, sessionOptions: cpuSessionOptions('cpu', 1) })
  open.push(engine)
  return engine
}

const whole = await engineOf(0, wholeModel(config).end)
const CUTS = [[0, 4], [0, 1, 4], [0, 2, 4], [0, 1, 2, 4], [0, 1, 2, 3, 4]]
const slices = new Map<string, SliceEngine>([['0-4', whole]])
for (const cut of CUTS) {
  for (const [index, end] of cut.slice(1).entries()) {
    const name = `${cut[index]}-${end}`
    if (!slices.has(name)) slices.set(name, await engineOf(cut[index]!, end))
  }
}
const enginesOf = (cut: readonly number[]) => cut.slice(1).map((end, index) => slices.get(`${cut[index]}-${end}`)!)

afterAll(() => Promise.all(open.map(engine => engine.release())))

async function alone({ key, prompt, maxTokens, seed, version }: SequenceRequest): Promise<{ tokens: readonly number[]; logProbs: readonly number[]; finish: string }> {
  await useVersion(whole, version)
  const generator = new BatchGenerator({ engine: whole, uniform, maxRows: 1 })
  generator.submit({ prompt: Int32Array.from(prompt), maxTokens, samples: [{ id: key, ...(seed !== null && { seed }) }] })
  for (;;) for (const finished of await generator.step()) return finished
}

const hex = (n: number) => n.toString(16).padStart(64, '0')
const request = fc.record({
  prompt: fc.array(fc.integer({ min: 3, max: 22 }), { minLength: 1, maxLength: 9 }),
  maxTokens: fc.integer({ min: 1, max: 20 }),
  greedy: fc.boolean(),
  samples: fc.integer({ min: 1, max: 4 }),
  version: fc.nat(2),
  at: fc.nat(60)
})
const story = fc.record({
  cut: fc.constantFrom(...CUTS),
  requests: fc.array(request, { minLength: 1, maxLength: 6 }),
  maxRows: fc.integer({ min: 1, max: 9 }),
  microBatches: fc.integer({ min: 1, max: 4 }),
  order: fc.nat(),
  breakdowns: fc.array(fc.nat(120), { maxLength: 3 }),
  givenUp: fc.array(fc.tuple(fc.nat(80), fc.nat(20)), { maxLength: 3 })
})

describe('a pipeline of one to four stages', () => {
  it('gives every sequence the tokens that one stage would give it alone at its version, however works interleave and whenever links break', async () => {
    await fc.assert(
      fc.asyncProperty(story, async ({ cut, requests, maxRows, microBatches, order, breakdowns, givenUp }) => {
        const pipeline = new LoopbackPipeline({ engines: enginesOf(cut), uniform, maxRows, microBatches, rng: createRng(`order ${order}`), useVersion })
        const asked = requests.flatMap(({ prompt, maxTokens, greedy, samples, version, at }, index) =>
          Array.from({ length: samples }, (_, sample) => ({
            at,
            request: { key: `${index}/${sample}`, prompt, maxTokens, seed: greedy ? null : hex(index * 16 + sample), version } satisfies SequenceRequest
          }))
        )
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
        for (const { at, request } of asked) {
          const result = pipeline.finished.get(request.key)
          // Given up before it was asked for: that asks for nothing.
          if (dropped.has(request.key) && (result === undefined || givenUp.some(([gone]) => gone >= at))) continue
          const expected = await alone(request)
          expect(result).toMatchObject({ tokens: expected.tokens, finish: expected.finish })
          expect(pipeline.streamed.get(request.key)).toEqual(expected.tokens)
          for (const [t, value] of result!.logProbs.entries()) expect(value).toBeCloseTo(expected.logProbs[t]!, 4)
        }
      }),
      runs(60)
    )
  })
})
