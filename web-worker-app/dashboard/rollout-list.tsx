import { useState } from 'react'
import { runMessages } from '../presentation/run-messages.ts'
import { messages } from './messages.ts'
import type { RolloutView, TurnView } from './view-model.ts'

const text = messages.rollouts
const FILTERS = ['all', 'accepted', 'stale', 'rejected'] as const
type Filter = (typeof FILTERS)[number]

function TurnText({ turn }: { readonly turn: TurnView }) {
  return (
    <p className="rollout-text">
      <span className="visually-hidden">{text.prompt}: </span>
      <span className="prompt">{turn.prompt}</span>
      <span className="visually-hidden"> {text.completion}: </span>
      <span className="completion">{turn.completion}</span>
    </p>
  )
}

function RolloutItem({ rollout }: { readonly rollout: RolloutView }) {
  const facts = [rollout.reward, rollout.version, rollout.peer, rollout.reason]
  return (
    <li data-rollout={rollout.id} data-outcome={rollout.outcome} data-turns={rollout.earlier.length + 1}>
      <div className="rollout-line">
        <div className="rollout-turns">
          {[...rollout.earlier, rollout].map((turn, index) => (
            <TurnText key={index} turn={turn} />
          ))}
        </div>
        <span className="chip" data-outcome={rollout.outcome}>
          {rollout.outcomeLabel}
        </span>
      </div>
      <p className="rollout-facts">
        {facts.map(fact => fact !== null && <span key={fact}>{fact}</span>)}
      </p>
    </li>
  )
}

export function RolloutList({ rollouts }: { readonly rollouts: readonly RolloutView[] }) {
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
      {shown.length === 0 ? (
        <p className="muted">{rollouts.length === 0 ? text.none : text.noneOfKind}</p>
      ) : (
        <ol>
          {shown.map(rollout => (
            <RolloutItem key={rollout.id} rollout={rollout} />
          ))}
        </ol>
      )}
    </section>
  )
}
