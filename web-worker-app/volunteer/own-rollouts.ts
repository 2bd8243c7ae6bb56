/** This tab's latest rollouts in words. Pure. */
import { formatSignificant } from '../presentation/format.ts'
import { describeRejection, runMessages } from '../presentation/run-messages.ts'
import type { OwnRollout } from '../session/session-store.ts'
import { messages } from './messages.ts'

export const OWN_ROLLOUTS_ON_PAGE = 8

export interface OwnRolloutView {
  readonly id: string
  readonly outcome: OwnRollout['outcome']
  readonly outcomeLabel: string
  readonly episode: OwnRollout['episode']
  /** Stands in for the texts. */
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

export function ownRolloutViews(rollouts: readonly OwnRollout[]): OwnRolloutView[] {
  return rollouts.slice(0, OWN_ROLLOUTS_ON_PAGE).map(rollout => ({
    id: rollout.id,
    outcome: rollout.outcome,
    outcomeLabel: runMessages.outcome[rollout.outcome],
    episode: rollout.episode,
    name: messages.own.unseenText(rollout.id, rollout.tokens),
    version: messages.own.version(rollout.version),
    verdict: verdictOf(rollout)
  }))
}
