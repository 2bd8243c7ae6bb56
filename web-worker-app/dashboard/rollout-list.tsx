import { useState } from 'react'
import { EpisodeText } from '../environments/episode-text.tsx'
import { OpenButton } from '../environments/open-button.tsx'
import { OpenedRollout } from '../environments/opened-rollout.tsx'
import { runMessages } from '../presentation/run-messages.ts'
import { messages } from './messages.ts'
import type { RolloutView } from './view-model.ts'

const text = messages.rollouts
const FILTERS = ['all', 'accepted', 'stale', 'rejected'] as const
type Filter = (typeof FILTERS)[number]

interface RolloutProps {
  readonly rollout: RolloutView
}

function Facts({ rollout: { reward, version, peer, reason } }: RolloutProps) {
  return <p className="rollout-facts">{[reward, version, peer, reason].map(fact => fact !== null && <span key={fact}>{fact}</span>)}</p>
}

function RolloutItem({ rollout, onOpen }: RolloutProps & { readonly onOpen: () => void }) {
  const { id, outcome, outcomeLabel, episode } = rollout
  return (
    <li data-rollout={id} data-outcome={outcome} data-turns={episode.turns.length}>
      <div className="rollout-line">
        <EpisodeText turns={episode.turns} />
        <span className="chip" data-outcome={outcome}>
          {outcomeLabel}
        </span>
      </div>
      <div className="rollout-line">
        <Facts rollout={rollout} />
        <OpenButton id={id} onOpen={onOpen} />
      </div>
    </li>
  )
}

export function RolloutList({ task, rollouts }: { readonly task: string; readonly rollouts: readonly RolloutView[] }) {
  const [opened, setOpened] = useState<RolloutView | null>(null)
  const [filter, setFilter] = useState<Filter>('all')
  const shown = filter === 'all' ? rollouts : rollouts.filter(rollout => rollout.outcome === filter)
  return (
    <section className="card rollouts" aria-labelledby="latest-rollouts">
      <div className="section-head">
        <h2 id="latest-rollouts" className="card-title">
          {text.title}
        </h2>
        <div className="filters" role="group" aria-label={text.filter}>
          {FILTERS.map(kind => (
            <button key={kind} type="button" className="small" aria-pressed={filter === kind} onClick={() => setFilter(kind)}>
              {kind === 'all' ? text.all : runMessages.outcome[kind]}
            </button>
          ))}
        </div>
      </div>
      {opened !== null && <OpenedRollout key={opened.id} id={opened.id} task={task} episode={opened.episode} facts={<Facts rollout={opened} />} onClose={() => setOpened(null)} />}
      {shown.length === 0 ? (
        <p className="muted">{rollouts.length === 0 ? text.none : text.noneOfKind}</p>
      ) : (
        <ol>
          {shown.map(rollout => (
            <RolloutItem key={rollout.id} rollout={rollout} onOpen={() => setOpened(rollout)} />
          ))}
        </ol>
      )}
    </section>
  )
}
