/** Lies told by a tab that otherwise works: its real rollouts are changed between the page and the signaling server. */
import type { Rollout, RolloutSubmission } from '#shared/protocol/rollout.ts'
import type { Page } from 'playwright-core'

export type Lie = (rollouts: readonly Rollout[]) => Rollout[]

const otherHash = (hash: string): string => (hash.startsWith('0') ? '1' : '0') + hash.slice(1)

function swapTokens(rollouts: readonly Rollout[]): Rollout[] {
  return rollouts.map((rollout, index) => {
    const other = rollouts.find((candidate, at) => at !== index && candidate.prompt === rollout.prompt && candidate.tokens.join() !== rollout.tokens.join())
    return other === undefined ? rollout : { ...rollout, tokens: other.tokens, logProbs: other.logProbs, finish: other.finish }
  })
}

/** Each lie by the reason for which it must be refused. */
export const LIES = {
  /** "I used the version after." */
  wrong_version: rollouts => rollouts.map(rollout => ({ ...rollout, version: rollout.version + 1 })),
  /** "I used another adapter of that number." */
  wrong_manifest: rollouts => rollouts.map(rollout => ({ ...rollout, manifestHash: otherHash(rollout.manifestHash) })),
  /** "I was given other random numbers." */
  wrong_seed: rollouts => rollouts.map(rollout => ({ ...rollout, seed: otherHash(rollout.seed) })),
  /** Tokens that the model did not say, under the log-probs of those that it said. */
  log_prob_mismatch: rollouts => rollouts.map(rollout => ({ ...rollout, tokens: rollout.tokens.with(0, rollout.tokens[0] === 10 ? 11 : 10) })),
  /** The model's own words with their true log-probs, but not those that the committed random numbers drew. */
  sampling_mismatch: swapTokens
} as const satisfies Record<string, Lie>

/** socket.io's event packet with an acknowledgement number: `42<number>[event, payload]`. */
const SUBMISSION = /^42(\d+)(\["rollouts_submitted",.*)$/s

function rewrite(frame: string, lie: Lie): string {
  const match = SUBMISSION.exec(frame)
  if (match === null) return frame
  const [event, submission] = JSON.parse(match[2]!) as [string, RolloutSubmission]
  return `42${match[1]}${JSON.stringify([event, { ...submission, rollouts: lie(submission.rollouts) }])}`
}

/** Call before the page is loaded. */
export async function makeTabLie(page: Page, lie: Lie): Promise<void> {
  await page.routeWebSocket(/\/socket\.io\//, socket => {
    const server = socket.connectToServer()
    socket.onMessage(message => server.send(typeof message === 'string' ? rewrite(message, lie) : message))
  })
}
