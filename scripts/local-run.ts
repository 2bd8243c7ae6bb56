/**
 * A whole run in one process, for tuning a run file: sampling, learning and measuring in turn, without server, tabs or checks.
 *
 *     node scripts/bootstrap.mjs scripts/local-run.ts RUN_FILE [--set optimizer.learningRate=1e-3 …] [--lag 3] [--minutes 5] [--threads 1] [--tasks 256]
 *
 * What is learnt from is `--lag` versions old, as in asynchronous mode. Log-probabilities are those of the sampling engine.
 */
import * as ort from 'onnxruntime-node'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'smol-toml'
import { createCurriculum, levelOf, noteOutcomes } from '#shared/coordination/curriculum.ts'
import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { beginEpisode, takeTurn, tokensDrawn, type Episode, type EpisodeRules } from '#shared/environments/episode.ts'
import { winRate } from '#shared/environments/holdem/win-rate.ts'
import { initialAdapter } from '#shared/model/lora.ts'
import type { Tensor, Tensors } from '#shared/model/tensor.ts'
import { createRng } from '#shared/random/rng.ts'
import { rolloutSeed, uniform } from '#shared/verification/committed-randomness.ts'
import { environmentSpec, openEnvironment, openLevels } from '#trainer/environment-spec.ts'
import { heldOutTasks } from '#trainer/evaluation/greedy-success.ts'
import { playEpisodes } from '#trainer/evaluation/play-episodes.ts'
import { GrpoLearner, type LearnerRollout, type RolloutGroup } from '#trainer/learner/learner.ts'
import { createOrtBackend } from '#trainer/learner/ort-backend.ts'
import { TrainedPolicy } from '#trainer/learner/trained-policy.ts'
import { readModel } from '#trainer/model-files.ts'
import { checkRunFile } from '#trainer/run-file.ts'

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { set: { type: 'string', multiple: true, default: [] }, lag: { type: 'string', default: '3' }, minutes: { type: 'string', default: '5' }, threads: { type: 'string', default: '1' }, tasks: { type: 'string', default: '256' }, every: { type: 'string', default: '20' } }
})
const path = positionals[0]!
const content = parse(readFileSync(path, 'utf8')) as Record<string, any>
for (const setting of flags.set) {
  const [key, text] = [setting.slice(0, setting.indexOf('=')), setting.slice(setting.indexOf('=') + 1)]
  const parts = key.split('.')
  let table = content
  for (const part of parts.slice(0, -1)) table = table[part] ??= {}
  let value: unknown = text
  try { value = JSON.parse(text) } catch { /* a word */ }
  if (value === null) delete table[parts.at(-1)!]
  else table[parts.at(-1)!] = value
}
const runFile = checkRunFile(content, path)
const threads = Number(flags.threads)
const model = await readModel(resolve(dirname(path), runFile.model.path))
const { config, tokenizer } = model
const lora = runFile.parameters === 'lora' ? runFile.lora : null
const spec = environmentSpec(runFile)
const levels = openLevels(spec)
const heldOut = openEnvironment(spec)
const limits = { turns: runFile.batch.turns ?? heldOut.turns ?? 1, maxTokens: runFile.batch.maxTokens, rolloutTokens: runFile.batch.rolloutTokens ?? config.contextLength }
const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights: model.weights, sessionOptions: cpuSessionOptions('cpu', threads), ...(lora !== null && { lora }) })
const backend = await createOrtBackend(config, lora, { threads })
const { decay, ...optimizer } = runFile.optimizer
const policy = new TrainedPolicy(backend, config, { ...optimizer, decaySteps: decay === 'linear' ? runFile.updates : 0 }, model.weights, lora === null ? null : initialAdapter(config, lora, createRng(`adapter/${runFile.seed}`)))
const learner = new GrpoLearner(policy, { loss: runFile.loss, advantage: runFile.advantage.kind })
const curriculum = createCurriculum()
const { curriculum: rules } = runFile
const curriculumRules = rules === undefined ? null : { levels: rules.levels.length, window: rules.window, up: rules.up, down: rules.down }
const secret = new Uint8Array(32).fill(runFile.seed)
const seconds = { sample: 0, learn: 0, measure: 0 }

interface Group { readonly prompt: number; readonly episodes: readonly Episode[]; readonly logProbs: readonly number[][] }

let nextPrompt = 0
let generated = 0

async function sample(): Promise<Group[]> {
  const { prompts, group } = runFile.batch
  const generator = new BatchGenerator({ engine, uniform, maxRows: 64 })
  const groups = Array.from({ length: prompts }, () => {
    const prompt = nextPrompt++
    const environment: Environment = levels[levelOf(curriculum, prompt)]!
    const rules: EpisodeRules = { environment, tokenizer, bosTokenId: config.bosTokenId, eosTokenIds: config.eosTokenIds, limits }
    const begun = beginEpisode(rules, environment.sample(`${runFile.seed}/${prompt}`, 'train'))
    return { prompt, rules, episodes: Array.from({ length: group }, () => begun), logProbs: Array.from({ length: group }, (): number[] => []) }
  })
  for (const [at, { prompt, episodes }] of groups.entries()) {
    generator.submit({ prompt: Int32Array.from(episodes[0]!.tokens), samples: episodes.map((_, index) => ({ id: `${at}/${index}`, seed: rolloutSeed(secret, prompt, index) })), maxTokens: limits.maxTokens })
  }
  while (generator.pending > 0) {
    for (const { id, tokens, logProbs } of await generator.step()) {
      const [at, index] = id.split('/').map(Number) as [number, number]
      const group = groups[at]!
      generated += tokens.length
      group.logProbs[index]!.push(...logProbs)
      const episode = takeTurn(group.rules, group.episodes[index]!, tokens)
      group.episodes[index] = episode
      if (episode.end === null) generator.submit({ prompt: Int32Array.from(episode.tokens), samples: [{ id, seed: rolloutSeed(secret, group.prompt, index), position: tokensDrawn(episode) }], maxTokens: limits.maxTokens })
    }
  }
  return groups
}

function rolloutsOf({ episodes, logProbs }: Group): RolloutGroup {
  return episodes.map(({ tokens, promptLength, mask, reward }, index): LearnerRollout => ({ tokens, promptLength, mask, reward, behaviourLogProbs: logProbs[index]! }))
}

function copied(tensors: Tensors): Map<string, Tensor> {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: data.slice() as Float32Array<ArrayBuffer> }]))
}

async function measured(): Promise<string> {
  const tasks = heldOutTasks(heldOut, Number(flags.tasks))
  const episodes = await playEpisodes({ engine, tokenizer }, heldOut, tasks.map(task => ({ task })), limits)
  const mean = (value: (episode: Episode) => number): number => episodes.reduce((sum, episode) => sum + value(episode), 0) / episodes.length
  const bigBlinds = heldOut.name !== 'holdem' ? '' : (rate => ` ${rate.mean.toFixed(2)} ± ${rate.margin.toFixed(2)} bb`)(winRate(episodes.map(({ metrics }, index) => ({ deal: (tasks[index] as { deal: string }).deal, bigBlinds: metrics['bigBlinds']! }))))
  return `held-out ${(100 * mean(({ success }) => Number(success))).toFixed(1)} % reward ${mean(({ reward }) => reward).toFixed(3)}${bigBlinds}`
}

async function timed<Result>(part: keyof typeof seconds, call: () => Promise<Result>): Promise<Result> {
  const start = process.cpuUsage()
  const result = await call()
  const { user, system } = process.cpuUsage(start)
  seconds[part] += (user + system) / 1e6
  return result
}

const waiting: Group[][] = []
const recent: string[] = []
let rewards: number[] = []
let lengths: number[] = []
console.log(`0 · ${await timed('measure', measured)}`)
for (let version = 1; version <= runFile.updates && seconds.sample + seconds.learn < 60 * Number(flags.minutes); version++) {
  do waiting.push(await timed('sample', sample))
  while (waiting.length <= Number(flags.lag))
  const groups = waiting.shift()!
  const metrics = await timed('learn', () => learner.step(groups.map(rolloutsOf)))
  if (curriculumRules !== null) noteOutcomes(curriculum, curriculumRules, groups.flatMap(({ prompt, episodes }) => episodes.map(({ success }) => ({ prompt, success }))), nextPrompt)
  await timed('learn', () => (lora === null ? engine.setWeights(copied(policy.trained)) : engine.setAdapter(copied(policy.trained))))
  rewards.push(metrics.reward)
  lengths.push(metrics.tokens / (runFile.batch.prompts * runFile.batch.group))
  if (version % Number(flags.every) !== 0) continue
  const average = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const line = `${version} · ${await timed('measure', measured)} · train ${average(rewards).toFixed(3)} · zero-std ${metrics.fractionZeroStd.toFixed(2)} · entropy ${metrics.entropy?.toFixed(3)} · kl ${metrics.mismatchKl?.toFixed(4)} · masked ${metrics.maskedFraction?.toFixed(3)} · norm ${metrics.gradientNorm?.toFixed(2)} · tokens ${average(lengths).toFixed(1)}${curriculumRules === null ? '' : ` · level ${curriculum.level}`} · cpu sample ${seconds.sample.toFixed(0)} learn ${seconds.learn.toFixed(0)} measure ${seconds.measure.toFixed(0)} s · ${(generated / seconds.sample).toFixed(0)} tok/s`
  recent.push(line)
  console.log(line)
  rewards = []
  lengths = []
}
await engine.release()
await backend.dispose()
