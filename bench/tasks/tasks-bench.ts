/**
 * What reinforcement learning makes of the warm-started model on each task: held-out figures before and after a run on a real swarm of
 * tabs, three seeds each, beside a larger model that was only warm-started. Resumable: finished cells are kept in bench-results/tasks.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { openModel, openRunVersion } from '#trainer/evaluation/stored-policy.ts'
import type { Estimate } from '#shared/protocol/run-report.ts'
import { readRunFile } from '#trainer/run-file.ts'
import { ROOT } from '../../cli/child-process.ts'
import type { Benchmark, BenchmarkResult, Cell } from '../benchmark.ts'
import { Cells } from './cells.ts'
import { curvesSvg } from './curves-svg.ts'
import { firstDraws, gain, heldOutScores, scoreEstimate, type Scores } from './held-out-scores.ts'
import { measuredTasks, type MeasuredSetting, type MeasuredTask } from './measured-tasks.ts'
import { PEERS, runSwarm, type LearningPoint } from './swarm-run.ts'

const SEEDS = [1, 2, 3]
const FOLDER = join(ROOT, 'bench-results/tasks')
/** `npm run model:warm-start -- --model murmuration-tasks-large --out bench-results/murmuration-tasks-large` */
const LARGER = join(ROOT, 'bench-results/murmuration-tasks-large')
const PICTURES = join(ROOT, 'docs/environments')

interface RunCell {
  readonly updates: number
  readonly runSeconds: number
  readonly commandSeconds: number
  readonly meanLag: number
  readonly tokensPerSecond: number
  readonly learning: readonly LearningPoint[]
  /** Mean reward of each update. */
  readonly reward: readonly number[]
}

/** By the label of the setting. */
type ScoresBySetting = Readonly<Record<string, Scores>>

interface MeasuredRun extends RunCell {
  readonly after: ScoresBySetting
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const cells = new Cells(FOLDER)
  const rows: Record<string, Cell>[] = []
  const headline: Record<string, number> = {}
  for (const task of measuredTasks()) {
    const before = await scoresOfModel(cells, `${task.name}-before`, task, undefined)
    const larger = existsSync(LARGER) ? await scoresOfModel(cells, `${task.name}-larger`, task, LARGER) : undefined
    const runs: MeasuredRun[] = []
    for (const seed of SEEDS) {
      const name = `${task.name}-${seed}`
      const directory = join(FOLDER, `run-${name}`)
      const { result: learnt, kept } = await cells.get(name, inputsOf(task), () => runCell(task, seed, directory))
      const { result: after } = await cells.get(`${name}-after`, [cells.file(name)], () => scoresOfRun(task, directory))
      const result = { ...learnt, after }
      runs.push(result)
      log(`${task.name}, seed ${seed}: ${task.settings.map(setting => `${setting.label} ${shown(scoreEstimate(before[setting.label]!, setting.unit), setting)} → ${shown(scoreEstimate(result.after[setting.label]!, setting.unit), setting)}`).join('; ')}; ${Math.round(result.commandSeconds)} s${kept ? ' (kept)' : ''}`)
      for (const setting of task.settings) rows.push(rowOf(setting, seed, before[setting.label]!, result, larger?.[setting.label]))
    }
    for (const setting of task.settings) Object.assign(headline, headlineOf(setting, before[setting.label]!, runs.map(({ after }) => after[setting.label]!)))
    writeFileSync(join(PICTURES, `${task.name}-learning.svg`), pictureOf(task, before, runs))
  }
  return {
    rows,
    headline,
    notes: [
      `each run: npm start -- --headless --peers ${PEERS} --mode async --run FILE --seed SEED; all figures greedy, on held-out tasks as they are drawn, the same before and after, with 95 % intervals (shares: Wilson; big blinds per hand: over deals that are played from both seats; gain: bootstrap over tasks)`,
      existsSync(LARGER) ? 'larger: more than four times the parameters, warm-started only, until it passed the same held-out successes' : `the larger model is not there; make it with: npm run model:warm-start -- --model murmuration-tasks-large --out ${relative(ROOT, LARGER)}`
    ]
  }
}

function inputsOf({ runFile }: MeasuredTask): string[] {
  return [runFile, join(readRunFile(runFile).model.path, 'model.safetensors')]
}

/** @param model undefined: the one of the run file */
async function scoresOfModel(cells: Cells, name: string, task: MeasuredTask, model: string | undefined): Promise<ScoresBySetting> {
  const runFile = readRunFile(task.runFile)
  const directory = model ?? runFile.model.path
  const { result } = await cells.get(name, [task.runFile, join(directory, 'model.safetensors')], async () => {
    const stored = await openModel(directory)
    const scores = await scoresBySetting(task, setting => heldOutScores(stored.policy, setting, runFile))
    await stored.close()
    return scores
  })
  return result
}

async function runCell({ runFile }: MeasuredTask, seed: number, directory: string): Promise<RunCell> {
  const { report, learning, commandSeconds } = await runSwarm(runFile, seed, directory)
  return {
    updates: report.updates,
    runSeconds: report.durationSeconds,
    commandSeconds,
    meanLag: report.lag.mean,
    tokensPerSecond: report.throughput.generatedTokensPerSecond,
    learning,
    reward: report.reward
  }
}

async function scoresOfRun(task: MeasuredTask, directory: string): Promise<ScoresBySetting> {
  const stored = await openRunVersion(directory, undefined)
  const scores = await scoresBySetting(task, setting => heldOutScores(stored.policy, setting, stored.runFile))
  await stored.close()
  return scores
}

async function scoresBySetting({ settings }: MeasuredTask, measure: (setting: MeasuredSetting) => Promise<Scores>): Promise<ScoresBySetting> {
  const scores: Record<string, Scores> = {}
  for (const setting of settings) scores[setting.label] = await measure(setting)
  return scores
}

function rowOf(setting: MeasuredSetting, seed: number, before: Scores, { updates, runSeconds, meanLag, tokensPerSecond, after: scores }: MeasuredRun, larger: Scores | undefined): Record<string, Cell> {
  const after = scores[setting.label]!
  return {
    task: setting.label,
    seed,
    before: shown(scoreEstimate(before, setting.unit), setting),
    after: shown(scoreEstimate(after, setting.unit), setting),
    gain: shown(gain(before, after), setting),
    'each task once': setting.unit === 'solved' ? eachOnce(setting, before, after) : '',
    larger: larger === undefined ? '' : shown(scoreEstimate(larger, setting.unit), setting),
    'over larger': larger === undefined ? '' : shown(gain(larger, after), setting),
    updates,
    'run s': Math.round(runSeconds),
    'token/s': Math.round(tokensPerSecond),
    'mean lag': meanLag
  }
}

/** How rare tasks go, which count as much here as common ones. */
function eachOnce(setting: MeasuredSetting, before: Scores, after: Scores): string {
  const draws = firstDraws(setting.environment, setting.draws)
  const share = (scores: Scores): string => (100 * scoreEstimate(draws.map(draw => scores[draw]!), setting.unit).value).toFixed(1)
  return `${share(before)} → ${share(after)} % of ${draws.length}`
}

function headlineOf(setting: MeasuredSetting, before: Scores, after: readonly Scores[]): Record<string, number> {
  const key = setting.label.replaceAll(/\W+/g, '_')
  const ends = after.map(scores => scoreEstimate(scores, setting.unit))
  return {
    [`${key}_before`]: scoreEstimate(before, setting.unit).value,
    [`${key}_after_worst_seed`]: Math.min(...ends.map(({ value }) => value)),
    [`${key}_after_worst_low`]: Math.min(...ends.map(({ low }) => low)),
    [`${key}_gain_worst_low`]: Math.min(...after.map(scores => gain(before, scores).low))
  }
}

function shown({ value, low, high }: Estimate, { unit }: MeasuredSetting): string {
  if (unit === 'solved') return `${(100 * value).toFixed(1)} % [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`
  return `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`
}

/** Updates that are averaged into one point of a curve of rewards. */
const SMOOTHED = 10

function pictureOf(task: MeasuredTask, before: ScoresBySetting, runs: readonly MeasuredRun[]): string {
  const [setting] = task.settings
  const named = (points: (run: MeasuredRun) => (readonly [number, number])[]) => runs.map((run, index) => ({ name: `seed ${SEEDS[index]}`, points: points(run) }))
  if (setting.unit === 'solved') {
    const curves = named(({ learning }) => learning.map(({ version, success }) => [version, success] as const))
    return curvesSvg({ title: `${setting.label}: held-out tasks solved`, xLabel: 'updates', format: y => `${Math.round(100 * y)} %`, range: [0, 1], curves })
  }
  const range = rewardRange(task)
  const bigBlinds = (reward: number): number => (reward - 0.5) * 2 * range
  const curves = named(({ reward }) => smoothed(reward).map(([update, mean]) => [update, bigBlinds(mean)] as const))
  const low = Math.floor(Math.min(scoreEstimate(before[setting.label]!, setting.unit).value, ...curves.flatMap(({ points }) => points.map(([, y]) => y))))
  const high = Math.ceil(Math.max(1, ...curves.flatMap(({ points }) => points.map(([, y]) => y))))
  return curvesSvg({ title: `${setting.label}: big blinds a hand while training`, xLabel: 'updates', format: y => y.toFixed(1), range: [low, high], goal: { y: 0, label: 'even' }, curves })
}

/** Big blinds at which the reward is cut off. */
function rewardRange({ runFile }: MeasuredTask): number {
  const { rewardRange: range, stack = 100 } = readRunFile(runFile).environment.options as { readonly rewardRange?: number; readonly stack?: number }
  return range ?? stack
}

function smoothed(values: readonly number[]): (readonly [update: number, mean: number])[] {
  return Array.from({ length: Math.floor(values.length / SMOOTHED) }, (_, block) => {
    const part = values.slice(block * SMOOTHED, (block + 1) * SMOOTHED)
    return [(block + 1) * SMOOTHED, part.reduce((sum, value) => sum + value, 0) / SMOOTHED] as const
  })
}

export const tasksBenchmark: Benchmark = { name: 'tasks', what: 'held-out figures before and after learning on a swarm, task by task', run }
