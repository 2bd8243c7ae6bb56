import { formatInteger } from '../presentation/format.ts'
import { messages } from './messages.ts'
import type { PeerRow, PeersView } from './peer-rows.ts'
import { ScrollArea } from './scroll-area.tsx'

const { columns } = messages.peers

function Row({ row }: { readonly row: PeerRow }) {
  return (
    <tr data-peer={row.id} data-state={row.state}>
      <th scope="row" className="mono" title={row.id}>
        {row.shortId}
      </th>
      <td className="words">
        <span className="peer-state" data-state={row.state}>
          {row.stateLabel}
        </span>
      </td>
      <td className="words">{row.engine}</td>
      <td>{row.version}</td>
      <td>{row.rate}</td>
      <td>{row.tokens}</td>
      <td>{row.accepted}</td>
      <td>{row.rejected}</td>
      <td>{row.links}</td>
      <td>{row.fromPeers}</td>
      <td>{row.fromOrigin}</td>
    </tr>
  )
}

function VersionsHeld({ held }: { readonly held: PeersView['versionsHeld'] }) {
  if (held.length === 0) return null
  return (
    <p className="versions-held">
      <span className="muted">{messages.peers.versionsHeld}</span>
      {held.map(({ version, holders }, i) => (
        <span key={version ?? 'none'} className="chip" data-newest={i === 0 || undefined}>
          {version === null ? messages.peers.noVersion(holders) : messages.peers.holders(formatInteger(version), holders)}
        </span>
      ))}
    </p>
  )
}

export function PeersTable({ peers }: { readonly peers: PeersView }) {
  return (
    <section className="card peers" aria-labelledby="peers">
      <div className="section-head">
        <h2 id="peers" className="card-title">
          {messages.peers.title}
        </h2>
        <span className="muted">{messages.peers.summary(formatInteger(peers.here), formatInteger(peers.gone))}</span>
      </div>
      {peers.rows.length === 0 ? (
        <p className="muted">{messages.peers.none}</p>
      ) : (
        <>
          <VersionsHeld held={peers.versionsHeld} />
          <ScrollArea label={messages.peers.table}>
            <table>
              <thead>
                <tr>
                  <th scope="col">{columns.id}</th>
                  <th scope="col" className="words">
                    {columns.state}
                  </th>
                  <th scope="col" className="words">
                    {columns.engine}
                  </th>
                  {[columns.version, columns.rate, columns.tokens, columns.accepted, columns.rejected, columns.links, columns.peers, columns.origin].map(label => (
                    <th key={label} scope="col">
                      {label}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {peers.rows.map(row => (
                  <Row key={row.id} row={row} />
                ))}
              </tbody>
            </table>
          </ScrollArea>
          {peers.hidden > 0 && <p className="muted">{messages.peers.more(formatInteger(peers.hidden))}</p>}
        </>
      )}
    </section>
  )
}
