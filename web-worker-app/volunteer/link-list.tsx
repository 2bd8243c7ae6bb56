import type { LinkView } from './link-views.ts'
import { messages } from './messages.ts'

/** Which way this tab's links take. */
export function LinkList({ links }: { readonly links: readonly LinkView[] }) {
  return (
    <section className="card lines" aria-labelledby="links">
      <h2 id="links" className="card-title">
        {messages.links.title}
      </h2>
      {links.length === 0 ? (
        <p className="muted">{messages.links.none}</p>
      ) : (
        <ol>
          {links.map(({ peer, name, path, pathLabel, facts }) => (
            <li key={peer} data-link={peer}>
              <div className="rollout-line">
                <span>{name}</span>
                <span className="chip" data-path={path}>
                  {pathLabel}
                </span>
              </div>
              <p className="muted">{facts}</p>
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}
