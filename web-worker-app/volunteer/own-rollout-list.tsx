import { messages } from './messages.ts'
import type { OwnRolloutView } from './own-rollouts.ts'

function RolloutText({ rollout }: { readonly rollout: OwnRolloutView }) {
  if (rollout.text === null) return <p className="rollout-name">{rollout.name}</p>
  return (
    <p className="rollout-text">
      <span className="visually-hidden">{messages.own.prompt}: </span>
      <span className="prompt">{rollout.text.prompt}</span>
      <span className="visually-hidden"> {messages.own.answer}: </span>
      <span className="completion">{rollout.text.completion}</span>
    </p>
  )
}

/** The last rollouts of this tab, with what the trainer decided. */
export function OwnRollouts({ rollouts }: { readonly rollouts: readonly OwnRolloutView[] }) {
  return (
    <section className="card own-rollouts lines" aria-labelledby="own-rollouts">
      <h2 id="own-rollouts" className="card-title">
        {messages.own.title}
      </h2>
      {rollouts.length === 0 ? (
        <p className="muted">{messages.own.empty}</p>
      ) : (
        <ol>
          {rollouts.map(rollout => (
            <li key={rollout.id} data-rollout={rollout.id}>
              <div className="rollout-line">
                <RolloutText rollout={rollout} />
                <span className="chip" data-outcome={rollout.outcome}>
                  {rollout.outcomeLabel}
                </span>
              </div>
              <p className="muted">
                {rollout.verdict} <span className="nowrap">({rollout.version})</span>
              </p>
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}
