/** This tab's latest rollouts, joined with their texts where the feed has them. Pure. */
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { formatSignificant } from '../presentation/format.ts'
import { describeRejection, runMessages } from '../presentation/run-messages.ts'
import type { OwnRollout } from '../session/session-store.ts'
import { messages } from './messages.ts'

export const OWN_ROLLOUTS_ON_PAGE = 8

export interface OwnRolloutView {
  readonly id: string
  readonly outcome: OwnRollout['outcome']
  readonly outcomeLabel: string
  /** Prompt and completion, where the feed has shown this rollout. */
  readonly text: { readonly prompt: string; readonly completion: string } | null
  /** Stands in for the text. */
  readonly name: string
  readonly version: string
  readonly verdict: string
}

function verdictOf({ outcome, reward, rejection }: OwnRollout): string {
  const { own } = messages
  switch (outcome) {
    case 'sent':
      return own.sent
    case 'accepted':
      return reward === null ? own.acceptedUnknown : own.accepted(formatSignificant(reward))
    case 'stale':
      return own.stale
    case 'rejected':
      return rejection === null ? own.rejectedUnknown : own.rejected(describeRejection(rejection))
  }
}

/** Those that can be read come first. */
export function ownRolloutViews(rollouts: readonly OwnRollout[], feed: RunFeed | undefined): OwnRolloutView[] {
  const texts = new Map(feed?.latestRollouts.map(shown => [shown.id, shown]))
  const readable = rollouts.toSorted((a, b) => Number(texts.has(b.id)) - Number(texts.has(a.id)))
  return readable.slice(0, OWN_ROLLOUTS_ON_PAGE).map(rollout => {
    const shown = texts.get(rollout.id)
    return {
      id: rollout.id,
      outcome: rollout.outcome,
      outcomeLabel: runMessages.outcome[rollout.outcome],
      text: shown === undefined ? null : { prompt: shown.prompt, completion: shown.completion },
      name: messages.own.unseenText(rollout.id, rollout.tokens),
      version: messages.own.version(rollout.version),
      verdict: verdictOf(rollout)
    }
  })
}
