import { useState } from 'react'
import { EpisodeText } from '../environments/episode-text.tsx'
import { OpenButton } from '../environments/open-button.tsx'
import { OpenedRollout } from '../environments/opened-rollout.tsx'
import type { ShownEpisode } from '../session/shown-episode.ts'
import { messages } from './messages.ts'
import type { OwnRolloutView } from './own-rollouts.ts'

interface RolloutProps {
  readonly rollout: OwnRolloutView
}

function Facts({ rollout: { verdict, version } }: RolloutProps) {
  return (
    <p className="muted">
      {verdict} <span className="nowrap">({version})</span>
    </p>
  )
}

function OwnRollout({ rollout, onOpen }: RolloutProps & { readonly onOpen: (episode: ShownEpisode) => void }) {
  const { id, episode, name, outcome, outcomeLabel } = rollout
  return (
    <li data-rollout={id}>
      <div className="rollout-line">
        {episode === null ? <p className="rollout-name">{name}</p> : <EpisodeText turns={episode.turns} />}
        <span className="chip" data-outcome={outcome}>
          {outcomeLabel}
        </span>
      </div>
      <div className="rollout-line">
        <Facts rollout={rollout} />
        {episode !== null && <OpenButton id={id} onOpen={() => onOpen(episode)} />}
      </div>
    </li>
  )
}

/** The last rollouts of this tab, with what the trainer decided. */
export function OwnRollouts({ task, rollouts }: { readonly task: string; readonly rollouts: readonly OwnRolloutView[] }) {
  const [opened, setOpened] = useState<{ readonly rollout: OwnRolloutView; readonly episode: ShownEpisode } | null>(null)
  return (
    <section className="card own-rollouts lines" aria-labelledby="own-rollouts">
      <h2 id="own-rollouts" className="card-title">
        {messages.own.title}
      </h2>
      {opened !== null && (
        <OpenedRollout key={opened.rollout.id} id={opened.rollout.id} task={task} episode={opened.episode} facts={<Facts rollout={opened.rollout} />} onClose={() => setOpened(null)} />
      )}
      {rollouts.length === 0 ? (
        <p className="muted">{messages.own.empty}</p>
      ) : (
        <ol>
          {rollouts.map(rollout => (
            <OwnRollout key={rollout.id} rollout={rollout} onOpen={episode => setOpened({ rollout, episode })} />
          ))}
        </ol>
      )}
    </section>
  )
}
