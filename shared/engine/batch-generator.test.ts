import fc from 'fast-check'
import * as nodeRuntime from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { randomWeights } from '../model/random-weights.ts'
import { logProb } from '../model/sampling.ts'
import { createRng } from '../random/rng.ts'
import { runs } from '../testing/property-runs.ts'
import { referenceForward } from '../testing/reference-forward.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import { BatchGenerator, type GeneratedSample, type PromptRequest } from './batch-generator.ts'
import { cpuSessionOptions } from './ort-runtime.ts'
import { createOrtSliceEngine } from './ort-slice-engine.ts'
import type { SliceEngine } from './slice-engine.ts'

const config = tinyConfig()
const weights = randomWeights(config, 'generator')
const engine = await createOrtSliceEngine({ runtime: nodeRuntime, kind: 'node', config, weights, sessionOptions: cpuSessionOptions('cpu', 1) })
/** The same engine under the name that makes the generator grow its cache step by step. */
const tight: SliceEngine = Object.create(engine, { kind: { value: 'wasm' } })
tight.forward = (...call) => engine.forward(...call)
tight.createCache = (...call) => engine.createCache(...call)

afterAll(() => engine.release())

const uniform = (seed: string, t: number) => createRng(`${seed}:${t}`).float()

/** Submits request i before step `arrivals[i]` and steps until nothing is pending. */
async function generate(host: SliceEngine, requests: readonly PromptRequest[], maxRows: number, arrivals: readonly number[] = []): Promise<Map<string, GeneratedSample>> {
  const generator = new BatchGenerator({ engine: host, uniform, maxRows })
  const results: GeneratedSample[] = []
  for (let step = 0; step === 0 || generator.pending > 0 || arrivals.some(arrival => arrival >= step); step++) {
    for (const [index, request] of requests.entries()) if ((arrivals[index] ?? 0) === step) generator.submit(request)
    results.push(...(await generator.step()))
  }
  return new Map(results.map(result => [result.id, result]))
}

const request = fc.record({
  prompt: fc.array(fc.integer({ min: 3, max: 22 }), { minLength: 1, maxLength: 9 }).map(tokens => Int32Array.from(tokens)),
  samples: fc.integer({ min: 1, max: 5 }),
  maxTokens: fc.integer({ min: 1, max: 30 })
})

function numbered(requests: readonly { prompt: Int32Array; samples: number; maxTokens: number }[]): PromptRequest[] {
  return requests.map(({ prompt, samples, maxTokens }, index) => ({
    prompt,
    maxTokens,
    samples: Array.from({ length: samples }, (_, sample) => ({ id: `${index}/${sample}`, ...(sample === 0 ? {} : { seed: `${index}/${sample}` }) }))
  }))
}

describe('BatchGenerator', () => {
  it('gives every sample the tokens that it would get alone, however samples are batched', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(request, fc.nat(12)), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        async (arriving, maxRows, growing) => {
          const requests = numbered(arriving.map(([one]) => one))
          const together = await generate(growing ? tight : engine, requests, maxRows, arriving.map(([, step]) => step))
          expect(together.size).toBe(requests.reduce((total, { samples }) => total + samples.length, 0))
          for (const each of requests) {
            for (const sample of each.samples) {
              const alone = (await generate(engine, [{ ...each, samples: [sample] }], 1)).get(sample.id)!
              const result = together.get(sample.id)!
              expect(result.tokens).toEqual(alone.tokens)
              expect(result.finish).toBe(alone.finish)
              for (const [t, value] of result.logProbs.entries()) expect(value).toBeCloseTo(alone.logProbs[t]!, 4)
            }
          }
        }
      ),
      runs(25)
    )
  })

  it('reports log-probabilities and endings that a plain forward pass confirms', async () => {
    const requests = numbered([
      { prompt: Int32Array.of(1, 5, 6), samples: 12, maxTokens: 20 },
      { prompt: Int32Array.of(1, 7), samples: 12, maxTokens: 20 }
    ])
    const results = await generate(engine, requests, 16)
    expect(new Set([...results.values()].map(result => result.finish))).toEqual(new Set(['stop', 'length']))
    for (const { prompt, samples, maxTokens } of requests) {
      for (const { id } of samples) {
        const { tokens, logProbs, finish } = results.get(id)!
        const logits = referenceForward(config, weights, [...prompt, ...tokens])
        for (const [t, token] of tokens.entries()) {
          expect(logProbs[t]).toBeCloseTo(logProb(Float32Array.from(logits[prompt.length + t - 1]!), token), 4)
          expect(token === 2).toBe(finish === 'stop' && t === tokens.length - 1)
        }
        expect(finish === 'stop' ? tokens.length <= maxTokens : tokens.length === maxTokens).toBe(true)
      }
    }
  })

  it('prefills a prompt once for all samples that enter together', async () => {
    const calls: number[] = []
    const counting: SliceEngine = Object.create(engine, { kind: { value: 'node' } })
    counting.createCache = (...call) => engine.createCache(...call)
    counting.forward = (input, cache) => {
      calls.push(input.rows * input.steps)
      return engine.forward(input, cache)
    }
    await generate(counting, numbered([{ prompt: Int32Array.of(1, 5, 6, 8), samples: 8, maxTokens: 2 }]), 8)
    expect(calls[0]).toBe(4)
    expect(calls).toHaveLength(2)
  })

  it('forgets everything when it is cleared', async () => {
    const generator = new BatchGenerator({ engine, uniform, maxRows: 2 })
    generator.submit(numbered([{ prompt: Int32Array.of(1), samples: 3, maxTokens: 9 }])[0]!)
    expect(generator.pending).toBe(3)
    await generator.step()
    generator.clear()
    expect(generator.pending).toBe(0)
    expect(generator.freeRows).toBe(2)
    expect(await generator.step()).toEqual([])
  })

  it('refuses what does not fit in the context', () => {
    const generator = new BatchGenerator({ engine, uniform, maxRows: 2 })
    expect(() => generator.submit({ prompt: new Int32Array(60), samples: [{ id: 'a' }], maxTokens: 5 })).toThrow(/60 \+ 5 tokens do not fit in a context of 64/)
    expect(() => generator.submit({ prompt: new Int32Array(0), samples: [{ id: 'a' }], maxTokens: 5 })).toThrow(RangeError)
  })
})
