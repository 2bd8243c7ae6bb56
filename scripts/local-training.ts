/** A run in one process, to tune its settings with: what tabs, verifier and learner do, one after the other and without server or checks. */
import * as ort from 'onnxruntime-node'
import { createCurriculum, levelOf, noteOutcomes } from '#shared/coordination/curriculum.ts'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { beginEpisode, takeTurn, tokensDrawn, type Episode, type EpisodeLimits, type EpisodeRules } from '#shared/environments/episode.ts'
import { initialAdapter } from '#shared/model/lora.ts'
import type { Model } from '#shared/model/model-directory.ts'
import type { Tensor, Tensors } from '#shared/model/tensor.ts'
import { createRng } from '#shared/random/rng.ts'
import { rolloutSeed, uniform } from '#shared/verification/committed-randomness.ts'
import { environmentSpec, openEnvironment, openLevels } from '#trainer/environment-spec.ts'
import { episodeLimits } from '#trainer/episode-limits.ts'
import { taskSeed } from '#trainer/episode-source.ts'
import type { PlayingPolicy } from '#trainer/evaluation/play-episodes.ts'
import { GrpoLearner, type LearnerRollout, type LearnerStepMetrics } from '#trainer/learner/learner.ts'
import { createOrtBackend } from '#trainer/learner/ort-backend.ts'
import { TrainedPolicy } from '#trainer/learner/trained-policy.ts'
import type { RunFile } from '#trainer/run-file-schema.ts'

/** Sequences that a tab decodes at once. */
const ROWS = 64

interface Group {
  readonly prompt: number
  readonly rules: EpisodeRules
  readonly episodes: Episode[]
  /** Of every token that the policy drew, by sample. */
  readonly logProbs: number[][]
}

export interface LocalTraining {
  readonly environment: Environment
  readonly limits: EpisodeLimits
  readonly policy: PlayingPolicy
  /** Processor seconds so far. */
  readonly seconds: { sample: number; learn: number }
  readonly tokensGenerated: () => number
  readonly level: () => number
  /** Samples until a batch is old enough, and learns from it. */
  step(): Promise<LearnerStepMetrics>
  close(): Promise<void>
}

/** @param lag how many versions old the rollouts are that are learnt from */
export async function openLocalTraining(model: Model, runFile: RunFile, { lag, threads }: { readonly lag: number; readonly threads: number }): Promise<LocalTraining> {
  const { config, tokenizer, weights } = model
  const lora = runFile.parameters === 'lora' ? runFile.lora : null
  const spec = environmentSpec(runFile)
  const [levels, environment] = [openLevels(spec), openEnvironment(spec)]
  const { prompts, group } = runFile.batch
  const limits = episodeLimits(runFile, config.contextLength, levels)
  const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights, sessionOptions: cpuSessionOptions('cpu', threads), ...(lora !== null && { lora }) })
  const backend = await createOrtBackend(config, lora, { threads })
  const { decay, ...optimizer } = runFile.optimizer
  const policy = new TrainedPolicy(backend, config, { ...optimizer, decaySteps: decay === 'linear' ? runFile.updates : 0 }, weights, lora === null ? null : initialAdapter(config, lora, createRng(`adapter/${runFile.seed}`)), runFile.precision)
  const learner = new GrpoLearner(policy, { loss: runFile.loss, advantage: runFile.advantage.kind, entropyBonus: runFile.advantage.entropyBonus })
  const curriculum = createCurriculum()
  const secret = new Uint8Array(32).fill(runFile.seed)
  const seconds = { sample: 0, learn: 0 }
  const waiting: Group[][] = []
  let nextPrompt = 0
  let generated = 0

  const begin = (): Group => {
    const prompt = nextPrompt++
    const rules = { environment: levels[levelOf(curriculum, prompt)]!, tokenizer, bosTokenId: config.bosTokenId, eosTokenIds: config.eosTokenIds, limits }
    const begun = beginEpisode(rules, rules.environment.sample(taskSeed(runFile.seed, prompt), 'train'))
    return { prompt, rules, episodes: Array.from({ length: group }, () => begun), logProbs: Array.from({ length: group }, () => []) }
  }
  const learnFrom = async (groups: readonly Group[]): Promise<LearnerStepMetrics> => {
    const metrics = await learner.step(groups.map(rolloutsOf))
    if (runFile.curriculum !== undefined) {
      const outcomes = groups.flatMap(({ prompt, episodes }) => episodes.map(({ success }) => ({ prompt, success })))
      noteOutcomes(curriculum, { ...runFile.curriculum, levels: levels.length }, outcomes, nextPrompt)
    }
    await (lora === null ? engine.setWeights(copied(policy.trained)) : engine.setAdapter(copied(policy.trained)))
    return metrics
  }
  return {
    environment,
    limits,
    policy: { engine, tokenizer },
    seconds,
    tokensGenerated: () => generated,
    level: () => curriculum.level,
    step: async () => {
      while (waiting.length <= lag) {
        const groups = Array.from({ length: prompts }, begin)
        await timed(seconds, 'sample', async () => { generated += await playGroups(engine, secret, groups) })
        waiting.push(groups)
      }
      return timed(seconds, 'learn', () => learnFrom(waiting.shift()!))
    },
    close: async () => {
      await engine.release()
      await backend.dispose()
    }
  }
}

/** Plays all episodes to their ends. @returns tokens generated */
async function playGroups(engine: SliceEngine, secret: Uint8Array, groups: readonly Group[]): Promise<number> {
  const generator = new BatchGenerator({ engine, uniform, maxRows: ROWS })
  for (const [at, { prompt, episodes, rules }] of groups.entries()) {
    generator.submit({ prompt: Int32Array.from(episodes[0]!.tokens), samples: episodes.map((_, index) => ({ id: `${at}/${index}`, seed: rolloutSeed(secret, prompt, index) })), maxTokens: rules.limits.maxTokens })
  }
  let generated = 0
  while (generator.pending > 0) {
    for (const { id, tokens, logProbs } of await generator.step()) {
      const [at, index] = id.split('/').map(Number) as [number, number]
      const { prompt, rules, episodes, logProbs: drawn } = groups[at]!
      generated += tokens.length
      drawn[index]!.push(...logProbs)
      const episode = takeTurn(rules, episodes[index]!, tokens)
      episodes[index] = episode
      if (episode.end !== null) continue
      generator.submit({ prompt: Int32Array.from(episode.tokens), samples: [{ id, seed: rolloutSeed(secret, prompt, index), position: tokensDrawn(episode) }], maxTokens: rules.limits.maxTokens })
    }
  }
  return generated
}

function rolloutsOf({ episodes, logProbs }: Group): LearnerRollout[] {
  return episodes.map(({ tokens, promptLength, mask, reward }, index) => ({ tokens, promptLength, mask, reward, behaviourLogProbs: logProbs[index]! }))
}

function copied(tensors: Tensors): Map<string, Tensor> {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]))
}

async function timed<Part extends string, Result>(seconds: Record<Part, number>, part: Part, call: () => Promise<Result>): Promise<Result> {
  const start = process.cpuUsage()
  const result = await call()
  const { user, system } = process.cpuUsage(start)
  seconds[part] += (user + system) / 1e6
  return result
}
