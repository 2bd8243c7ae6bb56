import { messages } from './messages.ts'
import type { Fact } from './view-model.ts'

/** What pressing the button will do and cost. */
export function Consent({ facts }: { readonly facts: readonly Fact[] }) {
  return (
    <section className="card consent" aria-labelledby="before-you-start">
      <h2 id="before-you-start" className="card-title">
        {messages.facts.title}
      </h2>
      <dl>
        {facts.map(({ term, text }) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
