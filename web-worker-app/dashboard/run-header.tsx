import { messages } from './messages.ts'
import type { HeaderView } from './view-model.ts'

interface RunHeaderProps {
  readonly header: HeaderView
  readonly held: boolean
  readonly onHold: (held: boolean) => void
}

export function RunHeader({ header, held, onHold }: RunHeaderProps) {
  return (
    <div className="run-header">
      <div className="run-title">
        <h1>{header.run}</h1>
        <span className="chip phase" data-phase={header.phase}>
          {header.phaseLabel}
        </span>
        <button type="button" className="small hold" aria-pressed={held} onClick={() => onHold(!held)}>
          {held ? messages.continue : messages.hold}
        </button>
      </div>
      <p className="muted run-goal">{header.goal}</p>
      <dl className="run-facts">
        {header.facts.map(({ term, value }) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <progress className="thin" aria-label={messages.header.progress} value={header.progress} max={1} />
    </div>
  )
}
