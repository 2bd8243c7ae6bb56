import { messages } from './messages.ts'
import type { CardView } from './view-model.ts'

export function Cards({ cards }: { readonly cards: readonly CardView[] }) {
  return (
    <section aria-labelledby="key-numbers">
      <h2 id="key-numbers" className="visually-hidden">
        {messages.cards.title}
      </h2>
      <dl className="cards">
        {cards.map(({ id, label, value, note }) => (
          <div key={id} className="card" data-card={id}>
            <dt>{label}</dt>
            <dd className="card-value">{value}</dd>
            <dd className="card-note">{note}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
