import { messages } from './messages.ts'
import type { ContributionView } from './view-model.ts'

/** What this tab has done. Ticking numbers, so no live region. */
export function Contribution({ contribution }: { readonly contribution: ContributionView }) {
  return (
    <section className="card contribution" aria-label={messages.figures.tokens}>
      <dl className="figures">
        {contribution.figures.map(({ id, label, value }) => (
          <div key={id} data-figure={id}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div className="sources">
        <h3>{messages.sources.title}</h3>
        <svg className="split-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
          <rect className="split-rest" width="100" height="6" />
          <rect className="split-part" width={contribution.peerShare * 100} height="6" />
        </svg>
        <p>
          <span className="from-peers">{contribution.fromPeers}</span>
          <span className="from-origin">{contribution.fromOrigin}</span>
        </p>
      </div>
    </section>
  )
}
