import type { Environment } from '#shared/environments/environment.ts'
import type { EpisodeLimits } from '#shared/environments/episode.ts'
import type { Estimate } from '#shared/protocol/run-report.ts'
import { heldOutTasks } from '#trainer/evaluation/greedy-success.ts'
import { evaluatePolicy, type PolicyEvaluation } from '#trainer/evaluation/policy-evaluation.ts'
import { openModel, openRunVersion, type StoredPolicy, type WantedVersion } from '#trainer/evaluation/stored-policy.ts'
import type { RunFile } from '#trainer/run-file-schema.ts'
import { UserError } from '#trainer/user-error.ts'
import { environmentGiven, type EnvironmentFlags } from './given-environment.ts'
import { evaluateMatch, opponentGiven, type OpponentFlags } from './holdem-match.ts'

export interface EvalOptions extends EnvironmentFlags, OpponentFlags {
  readonly model?: string
  readonly run?: string
  readonly version?: WantedVersion
  readonly tasks: number
  readonly samples: number
  readonly seed: number
  readonly maxTokens?: number
  readonly turns?: number
  readonly rolloutTokens?: number
  readonly json?: true
}

/** Enough for the tasks that ship; a longer one says so by its results. */
const MAX_TOKENS = 32

/** @throws {UserError | ModelFileError | EnvironmentError} one line about the policy or the task */
export async function evaluateInTerminal(task: string, options: EvalOptions, say: (line: string) => void): Promise<void> {
  // Before the model is read: a typing error shows at once.
  if (options.run === undefined) environmentGiven(task, options)
  const opponent = opponentGiven(task, options)
  const { runFile, ...stored } = await openPolicy(options)
  try {
    const environment = environmentFor(task, options, runFile)
    const limits = limitsFor(environment, options, runFile, stored)
    const request = { environment, tasks: heldOutTasks(environment, options.tasks), samples: options.samples, seed: options.seed }
    const evaluation = opponent === undefined ? await evaluatePolicy(stored.policy, limits, request) : await evaluateMatch(stored.policy, opponent, limits, request)
    if (options.json) say(JSON.stringify({ ...evaluation, version: stored.version ?? null, ...(opponent !== undefined && { opponent: opponent.name }) }))
    else for (const line of table(evaluation, opponent?.name)) say(line)
  } finally {
    await stored.close()
  }
}

async function openPolicy({ model, run, version }: EvalOptions): Promise<StoredPolicy & { readonly runFile?: RunFile }> {
  return run === undefined ? openModel(model!) : openRunVersion(run, version)
}

/** Of the run's own task, its options hold where no others are given. */
function environmentFor(task: string, flags: EnvironmentFlags, runFile: RunFile | undefined): Environment {
  const own = runFile?.environment.name === task ? runFile.environment : undefined
  const file = flags.file ?? own?.file
  return environmentGiven(task, { option: { ...own?.options, ...flags.option }, ...(file !== undefined && { file }) })
}

function limitsFor(environment: Environment, { maxTokens, turns, rolloutTokens }: EvalOptions, runFile: RunFile | undefined, { policy }: StoredPolicy): EpisodeLimits {
  const { contextLength } = policy.engine.config
  const limits = {
    maxTokens: maxTokens ?? runFile?.batch.maxTokens ?? MAX_TOKENS,
    turns: turns ?? runFile?.batch.turns ?? environment.turns ?? 1,
    rolloutTokens: rolloutTokens ?? runFile?.batch.rolloutTokens ?? contextLength
  }
  if (limits.rolloutTokens > contextLength) throw new UserError(`--rollout-tokens ${limits.rolloutTokens}: the model's context has ${contextLength}`)
  return limits
}

function table({ task, n, greedy, reward, metrics, sampled }: PolicyEvaluation, opponent: string | undefined): string[] {
  const rows: [string, string][] = [
    ['greedy', percent(greedy)],
    ['reward', plain(reward)],
    ...Object.entries(metrics).map(([name, estimate]): [string, string] => [name, plain(estimate)])
  ]
  if (sampled !== null) {
    rows.push([`avg@${sampled.k}`, percent(sampled.avg)])
    for (const { j, estimate } of sampled.pass) rows.push([`pass@${j}`, percent(estimate)])
    rows.push([`maj@${sampled.k}`, percent(sampled.maj)])
  }
  const width = Math.max(...rows.map(([name]) => name.length))
  return [`${task}${opponent === undefined ? '' : ` against ${opponent}`}: ${n} held-out tasks, 95 % intervals`, ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`)]
}

function percent({ value, low, high }: Estimate): string {
  const written = (share: number): string => (100 * share).toFixed(1)
  return `${written(value)} % [${written(low)}, ${written(high)}]`
}

function plain({ value, low, high }: Estimate): string {
  return `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`
}
