import type { SessionCommands } from '../session/session-store.ts'
import { messages } from './messages.ts'
import type { NetworkView } from './network-view.ts'

const { network: words } = messages

/** Who sees the volunteer's address, and what works from here. */
export function NetworkCard({ network, commands }: { readonly network: NetworkView; readonly commands: SessionCommands }) {
  return (
    <section className="card lines network" aria-labelledby="network">
      <h2 id="network" className="card-title">
        {words.title}
      </h2>
      <label className="switch">
        <input type="checkbox" checked={network.hideAddress} disabled={!network.canChange} onChange={({ target }) => commands.hideAddress(target.checked)} aria-describedby="hide-address-note" />
        <span>{words.hide}</span>
      </label>
      <p id="hide-address-note" className="muted">
        {network.note}
      </p>
      <div role="status">
        {network.notice !== null && <p className="notice">{network.notice}</p>}
        {network.checking && <p className="muted">{words.checking}</p>}
        {network.ways !== null && (
          <ol>
            {network.ways.map(({ way, label, reached, reachedLabel, text }) => (
              <li key={way} data-way={way}>
                <div className="rollout-line">
                  <span>{label}</span>
                  <span className="chip" data-reached={reached}>
                    {reachedLabel}
                  </span>
                </div>
                <p className="muted">{text}</p>
              </li>
            ))}
          </ol>
        )}
      </div>
      <div className="buttons">
        <button type="button" data-command="check-reachability" disabled={network.checking} onClick={() => commands.checkReachability()}>
          {words.check}
        </button>
      </div>
    </section>
  )
}
