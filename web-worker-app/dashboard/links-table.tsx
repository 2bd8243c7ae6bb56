import { formatInteger } from '../presentation/format.ts'
import type { LinksView } from './link-rows.ts'
import { messages } from './messages.ts'
import { ScrollArea } from './scroll-area.tsx'

const { columns } = messages.links

/** Which way each pair of tabs takes to each other. */
export function LinksTable({ links }: { readonly links: LinksView }) {
  return (
    <section className="card links" aria-labelledby="links">
      <h2 id="links" className="card-title">
        {messages.links.title}
      </h2>
      {links.rows.length === 0 ? (
        <p className="muted">{messages.links.none}</p>
      ) : (
        <ScrollArea label={messages.links.table}>
          <table>
            <thead>
              <tr>
                <th scope="col">{columns.from}</th>
                <th scope="col" className="words">
                  {columns.to}
                </th>
                <th scope="col" className="words">
                  {columns.path}
                </th>
                {[columns.roundTrip, columns.sent, columns.received].map(label => (
                  <th key={label} scope="col">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {links.rows.map(row => (
                <tr key={row.id} data-link={row.id}>
                  <th scope="row" className="mono">
                    {row.from}
                  </th>
                  <td className="words mono">{row.to}</td>
                  <td className="words">
                    <span className="chip" data-path={row.path}>
                      {row.pathLabel}
                    </span>
                  </td>
                  <td>{row.roundTrip}</td>
                  <td>{row.sent}</td>
                  <td>{row.received}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollArea>
      )}
      {links.hidden > 0 && <p className="muted">{messages.links.more(formatInteger(links.hidden))}</p>}
    </section>
  )
}
