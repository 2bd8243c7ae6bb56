import { formatInteger } from '../presentation/format.ts'
import { messages } from './messages.ts'
import type { RunView } from './view-model.ts'

/** Rejected rollouts by reason: a table whose rows carry their own bars. */
export function Rejections({ rejections }: { readonly rejections: RunView['rejections'] }) {
  const most = rejections[0]?.count ?? 0
  return (
    <section className="card rejections" aria-labelledby="rejections">
      <h3 id="rejections">{messages.rejections.title}</h3>
      {rejections.length === 0 ? (
        <p className="muted chart-empty">{messages.rejections.none}</p>
      ) : (
        <table>
          <thead className="visually-hidden">
            <tr>
              <th scope="col">{messages.rejections.reason}</th>
              <th scope="col">{messages.rejections.count}</th>
            </tr>
          </thead>
          <tbody>
            {rejections.map(({ reason, label, count }) => (
              <tr key={reason} data-reason={reason}>
                <th scope="row" className="words">
                  {label}
                  <svg className="split-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
                    <rect className="split-bad" width={(count / most) * 100} height="6" />
                  </svg>
                </th>
                <td>{formatInteger(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}
