/** Hold'em against somebody who has to be asked, as the flags of `env eval` name him. */
import type { Environment } from '#shared/environments/environment.ts'
import type { EpisodeLimits } from '#shared/environments/episode.ts'
import type { HoldemState, HoldemTask } from '#shared/environments/holdem.ts'
import type { AskedOpponent } from '#trainer/evaluation/holdem/asked-opponent.ts'
import { EndpointOpponent } from '#trainer/evaluation/holdem/endpoint-opponent.ts'
import { playMatch } from '#trainer/evaluation/holdem/play-match.ts'
import { PolicyOpponent } from '#trainer/evaluation/holdem/policy-opponent.ts'
import type { PlayingPolicy } from '#trainer/evaluation/play-episodes.ts'
import { evaluatePlay, type EvaluationRequest, type PolicyEvaluation } from '#trainer/evaluation/policy-evaluation.ts'
import { openModel, openRunVersion, type WantedVersion } from '#trainer/evaluation/stored-policy.ts'
import { UserError } from '#trainer/user-error.ts'

export interface OpponentFlags {
  readonly opponentModel?: string
  readonly opponentRun?: string
  readonly opponentVersion?: WantedVersion
  readonly opponentUrl?: string
  readonly opponentName?: string
}

export interface GivenOpponent {
  /** For people. */
  readonly name: string
  open(): Promise<OpenedOpponent>
}

interface OpenedOpponent {
  /** One for each match: it remembers hands by their numbers. */
  sit(limits: EpisodeLimits): AskedOpponent
  close(): Promise<void>
}

/**
 * @returns undefined where the flags name nobody
 * @throws {UserError} one line about flags that do not go together
 */
export function opponentGiven(task: string, { opponentModel, opponentRun, opponentVersion, opponentUrl, opponentName }: OpponentFlags): GivenOpponent | undefined {
  const given = [opponentModel, opponentRun, opponentUrl].filter(flag => flag !== undefined)
  if (opponentVersion !== undefined && opponentRun === undefined) throw new UserError('--opponent-version is one of a run; give --opponent-run')
  if ((opponentUrl === undefined) !== (opponentName === undefined)) throw new UserError('an endpoint is named by --opponent-url and --opponent-name, both')
  if (given.length === 0) return undefined
  if (task !== 'holdem') throw new UserError(`${task} has no opponent; only holdem takes --opponent-model, --opponent-run or --opponent-url`)
  if (given.length > 1) throw new UserError('there is one other seat: give one of --opponent-model, --opponent-run and --opponent-url')
  if (opponentUrl !== undefined) return endpoint(opponentUrl, opponentName!)
  if (opponentModel !== undefined) return { name: opponentModel, open: async () => policy(await openModel(opponentModel)) }
  return { name: `${opponentRun!}${opponentVersion === undefined ? '' : `, version ${opponentVersion}`}`, open: async () => policy(await openRunVersion(opponentRun!, opponentVersion)) }
}

export async function evaluateMatch(measured: PlayingPolicy, given: GivenOpponent, limits: EpisodeLimits, request: EvaluationRequest<unknown, unknown>): Promise<PolicyEvaluation> {
  const opponent = await given.open()
  try {
    // The flags are refused for any other task.
    const holdem = request as EvaluationRequest<HoldemTask, HoldemState>
    const environment: Environment<HoldemTask, HoldemState> = holdem.environment
    return await evaluatePlay(plays => playMatch(measured, environment, opponent.sit(limits), plays, limits), holdem)
  } finally {
    await opponent.close()
  }
}

function policy({ policy, close }: { readonly policy: PlayingPolicy; readonly close: () => Promise<void> }): OpenedOpponent {
  return { sit: limits => new PolicyOpponent(policy, limits), close }
}

function endpoint(url: string, model: string): GivenOpponent {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new UserError(`--opponent-url ${url}: an address such as http://127.0.0.1:8080/v1`)
  const apiKey = process.env['OPENAI_API_KEY']
  const opponent = new EndpointOpponent({ url, model, ...(apiKey !== undefined && { apiKey }) })
  return { name: `${model} at ${url}`, open: () => Promise.resolve({ sit: () => opponent, close: () => Promise.resolve() }) }
}
