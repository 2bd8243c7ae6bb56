import './holdem-table.css'
import type { CardView, HoldemTableView, PlayerView } from './holdem-table-view.ts'

/** Everything is text: a card's sign is hidden from screen readers, which get its name instead. */
function PlayingCard({ card }: { readonly card: CardView }) {
  return (
    <span className="playing-card" data-red={card.red}>
      <span aria-hidden="true">{card.text}</span>
      <span className="visually-hidden">{card.name}</span>
    </span>
  )
}

function Cards({ cards }: { readonly cards: readonly CardView[] }) {
  return (
    <span className="playing-cards">
      {cards.map(card => (
        <PlayingCard key={card.text} card={card} />
      ))}
    </span>
  )
}

function Player({ player }: { readonly player: PlayerView }) {
  return (
    <p className="holdem-player">
      <strong>{player.name}</strong> <span className="muted">({player.position})</span>{' '}
      {player.cards === undefined ? <span className="muted">cards not shown</span> : <Cards cards={player.cards} />} <span className="nowrap">{player.stack.toLocaleString('en')} chips</span>
    </p>
  )
}

/** One hand of hold'em: the players, then street by street the board, who did what and the pot. */
export function HoldemTable({ view }: { readonly view: HoldemTableView }) {
  return (
    <div className="holdem-table">
      <Player player={view.players[0]} />
      <Player player={view.players[1]} />
      <ol>
        {view.streets.map(street => (
          <li key={street.name}>
            <span className="holdem-street">{street.name}</span> <Cards cards={street.board} />{' '}
            {street.actions.map(({ who, what }) => `${who} ${what}`.trim()).join(', ')} <span className="muted nowrap">pot {street.pot.toLocaleString('en')}</span>
          </li>
        ))}
      </ol>
      {view.result !== undefined && (
        <p>
          <Cards cards={view.board} /> {view.result}
        </p>
      )}
    </div>
  )
}
