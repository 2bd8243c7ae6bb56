import { formatInteger, formatMilliseconds, formatPercent, formatRate, formatSignificant, NOT_YET } from '../presentation/format.ts'
import { firstTokenMs, shadedTokens, tokensPerSecond, type AnswerState } from './answer-state.ts'
import { messages } from './messages.ts'
import { RefusalNotice } from './refusal-notice.tsx'

const text = messages.answer

function statusOf(answer: AnswerState | null): string {
  if (answer === null) return text.none
  if (answer.end !== null) return text.end[answer.end]
  return answer.firstAt === null ? text.waiting : text.answering
}

function Figures({ answer }: { readonly answer: AnswerState }) {
  const first = firstTokenMs(answer)
  const rate = tokensPerSecond(answer)
  const figures = [
    ['first', text.first, first === null ? NOT_YET : formatMilliseconds(first)],
    ['rate', text.rate, rate === null ? NOT_YET : formatRate(rate)],
    ['count', text.count, formatInteger(answer.tokens.length)],
    ['model', text.model, answer.model ?? NOT_YET]
  ] as const
  return (
    <dl className="answer-figures" aria-label={text.figures}>
      {figures.map(([id, label, value]) => (
        <div key={id} data-answer-figure={id}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function Legend() {
  return (
    <p className="legend muted">
      <span>{text.legend}</span>
      {text.likelihood.map((label, likelihood) => (
        <span key={label} className="shaded" data-likelihood={likelihood}>
          {label}
        </span>
      ))}
    </p>
  )
}

function TokenTable({ answer }: { readonly answer: AnswerState }) {
  const { token, probability, logProb } = text.columns
  return (
    <details>
      <summary>{text.table}</summary>
      <div className="token-table" role="region" aria-label={text.table} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{token}</th>
              <th scope="col">{probability}</th>
              <th scope="col">{logProb}</th>
            </tr>
          </thead>
          <tbody>
            {shadedTokens(answer).map((shaded, index) => (
              <tr key={index}>
                <th scope="row" className="mono">
                  {shaded.text === '' ? text.noText : JSON.stringify(shaded.text)}
                </th>
                <td>{formatPercent(shaded.probability, 1)}</td>
                <td>{formatSignificant(shaded.logProb)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}

export function AnswerView({ answer }: { readonly answer: AnswerState | null }) {
  const busy = answer !== null && answer.end === null
  return (
    <section className="card answer" aria-labelledby="answer" data-answer={answer?.id ?? undefined} data-end={answer?.end ?? undefined}>
      <h2 id="answer" className="card-title">
        {text.title}
      </h2>
      <p className="muted" role="status">
        {statusOf(answer)}
      </p>
      {answer?.refusal && <RefusalNotice refusal={answer.refusal} />}
      {/* Read out when it stands still: a text that grows is no use to a listener. */}
      <div className="answer-text" aria-live="polite" aria-busy={busy}>
        {answer !== null &&
          shadedTokens(answer).map((shaded, index) => (
            <span key={index} className="shaded" data-likelihood={shaded.likelihood}>
              {shaded.text}
            </span>
          ))}
      </div>
      {answer !== null && <Figures answer={answer} />}
      {answer !== null && answer.tokens.length > 0 && (
        <>
          <Legend />
          {!busy && <TokenTable answer={answer} />}
        </>
      )}
    </section>
  )
}
