/**
 * Trains in this process by a run file, to tune it:
 *
 *     npm run local-run -- RUN_FILE [--set optimizer.learningRate=1e-3 …] [--lag 3] [--minutes 5] [--every 20] [--tasks 256] [--threads 1]
 *
 * What is learnt from is `--lag` versions old, as in asynchronous mode; `--minutes` are of processor time spent on sampling and learning. Nothing is kept.
 */
import { parseArgs } from 'node:util'
import { parse, type TomlTable } from 'smol-toml'
import type { Episode } from '#shared/environments/episode.ts'
import { winRate } from '#shared/environments/holdem/win-rate.ts'
import { heldOutTasks } from '#trainer/evaluation/greedy-success.ts'
import { playEpisodes } from '#trainer/evaluation/play-episodes.ts'
import type { LearnerStepMetrics } from '#trainer/learner/learner.ts'
import { readModel } from '#trainer/model-files.ts'
import { readRunFile } from '#trainer/run-file.ts'
import { UserError } from '#trainer/user-error.ts'
import { openLocalTraining, type LocalTraining } from './local-training.ts'

const USAGE = 'usage: npm run local-run -- RUN_FILE [--set KEY=VALUE …] [--lag N] [--minutes N] [--every N] [--tasks N] [--threads N]'
/** Of any number that may be given: more than anybody waits for. */
const MOST = 100_000

function parseFlags() {
  const number = (value: string) => ({ type: 'string', default: value }) as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { set: { type: 'string', multiple: true, default: [] }, lag: number('3'), minutes: number('5'), every: number('20'), tasks: number('256'), threads: number('1') }
  })
  const [path] = positionals
  if (path === undefined || positionals.length > 1) throw new UserError(USAGE)
  const numbers = (['lag', 'minutes', 'every', 'tasks', 'threads'] as const).map(name => [name, Number(values[name])] as const)
  const least = { lag: 0, minutes: 0, every: 1, tasks: 1, threads: 1 }
  for (const [name, value] of numbers) {
    if (!Number.isSafeInteger(value) || value < least[name] || value > MOST) throw new UserError(`--${name} must be a whole number from ${least[name]} to ${MOST}, not "${values[name]}"\n${USAGE}`)
  }
  return { path, set: values.set, ...(Object.fromEntries(numbers) as Record<(typeof numbers)[number][0], number>) }
}

/** @param setting `table.key=value`, the value as in TOML; a word that is no TOML value is a string */
function replaceSetting(content: TomlTable, setting: string): void {
  const at = setting.indexOf('=')
  if (at < 1) throw new UserError(`--set ${setting}: write KEY=VALUE`)
  const keys = setting.slice(0, at).split('.')
  let table = content
  for (const key of keys.slice(0, -1)) {
    if (!Object.hasOwn(table, key)) table[key] = {}
    const inner = table[key]
    if (!isTable(inner)) throw new UserError(`--set ${setting}: ${key} is not a table`)
    table = inner
  }
  table[keys.at(-1)!] = tomlValue(setting.slice(at + 1))
}

function isTable(value: TomlTable[string] | undefined): value is TomlTable {
  return typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date)
}

function tomlValue(text: string): TomlTable[string] {
  try {
    return parse(`value = ${text}`)['value']!
  } catch {
    return text
  }
}

async function heldOut({ environment, limits, policy }: LocalTraining, most: number): Promise<string> {
  const tasks = heldOutTasks(environment, most)
  const episodes = await playEpisodes(policy, environment, tasks.map(task => ({ task })), limits)
  const mean = (value: (episode: Episode) => number): number => episodes.reduce((sum, episode) => sum + value(episode), 0) / episodes.length
  const solved = `held-out ${(100 * mean(({ success }) => Number(success))).toFixed(1)} % · reward ${mean(({ reward }) => reward).toFixed(3)}`
  if (environment.name !== 'holdem') return solved
  const rate = winRate(episodes.map(({ metrics }, index) => ({ deal: (tasks[index] as { readonly deal: string }).deal, bigBlinds: metrics['bigBlinds']! })))
  return `${solved} · ${rate.mean.toFixed(2)} ± ${rate.margin.toFixed(2)} bb`
}

function metricsLine(training: LocalTraining, steps: readonly LearnerStepMetrics[]): string {
  const mean = (value: (metrics: LearnerStepMetrics) => number | null): number => steps.reduce((sum, metrics) => sum + (value(metrics) ?? 0), 0) / steps.length
  const { sample, learn } = training.seconds
  return [
    `train ${mean(({ reward }) => reward).toFixed(3)}`,
    `level ${training.level()}`,
    `no signal ${mean(({ fractionZeroStd }) => fractionZeroStd).toFixed(2)}`,
    `entropy ${mean(({ entropy }) => entropy).toFixed(3)}`,
    `kl ${mean(({ mismatchKl }) => mismatchKl).toFixed(4)}`,
    `masked ${mean(({ maskedFraction }) => maskedFraction).toFixed(3)}`,
    `norm ${mean(({ gradientNorm }) => gradientNorm).toFixed(2)}`,
    `tokens ${mean(({ tokens }) => tokens).toFixed(0)}`,
    `processor: sampling ${sample.toFixed(0)} s, ${(training.tokensGenerated() / sample).toFixed(0)} token/s; learning ${learn.toFixed(0)} s`
  ].join(' · ')
}

async function main(): Promise<number> {
  const { path, set, lag, minutes, every, tasks, threads } = parseFlags()
  const runFile = readRunFile(path, {}, content => {
    for (const setting of set) replaceSetting(content, setting)
  })
  const training = await openLocalTraining(await readModel(runFile.model.path), runFile, { lag, threads })
  console.log(`0 · ${await heldOut(training, tasks)}`)
  let steps: LearnerStepMetrics[] = []
  for (let update = 1; update <= runFile.updates && training.seconds.sample + training.seconds.learn < 60 * minutes; update++) {
    steps.push(await training.step())
    if (update % every !== 0 && update < runFile.updates) continue
    console.log(`${update} · ${await heldOut(training, tasks)} · ${metricsLine(training, steps)}`)
    steps = []
  }
  await training.close()
  return 0
}

process.exitCode = await main().catch((error: unknown) => {
  const ofArguments = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  if (!ofArguments && !(error instanceof UserError)) throw error
  console.error(ofArguments ? `${(error as Error).message}\n${USAGE}` : (error as Error).message)
  return 2
})
