import { workedMessages as text } from './worked-answer-messages.ts'
import type { WorkedAnswerView, WorkedLine } from './worked-answer-view.ts'
import './worked-answer.css'

function Line({ line: { text: said, mark, note, open } }: { readonly line: WorkedLine }) {
  return (
    <>
      <span className="worked-text">{said}</span>
      {mark !== undefined && (
        <span className="worked-mark" data-mark={mark}>
          <span aria-hidden="true">{mark === 'right' ? '✓' : '✗'}</span>
          <span className="visually-hidden">{text[mark]}</span>
        </span>
      )}
      {note !== undefined && <span className="muted">{note}</span>}
      {open !== undefined && (
        <span className="worked-open">
          <span className="worked-range" aria-hidden="true">
            <span style={{ insetInlineStart: `${(100 * (open.low - 1)) / open.of}%`, width: `${(100 * (open.high - open.low + 1)) / open.of}%` }} />
          </span>
          <span className="muted">{text.open(open.low, open.high)}</span>
        </span>
      )}
    </>
  )
}

/** An answer as a teacher marks it. */
export function WorkedAnswer({ view: { question, steps, result } }: { readonly view: WorkedAnswerView }) {
  return (
    <div className="worked-answer">
      <p className="worked-question">{question}</p>
      {steps.length > 0 && (
        <ol>
          {steps.map((line, index) => (
            <li key={index}>
              <Line line={line} />
            </li>
          ))}
        </ol>
      )}
      <p className="worked-result">
        <Line line={result} />
      </p>
    </div>
  )
}
