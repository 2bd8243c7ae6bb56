import { BIRD_PATH } from '../presentation/bird-mark.tsx'
import { flockLayout } from './flock.ts'
import { messages } from './messages.ts'
import type { RunPicture, VolunteerView } from './view-model.ts'

const WIDTH = 320
const HEIGHT = 150

/** One bird per tab. Decoration: the sentence below says the same. */
function Flock({ tabs, contributing }: { readonly tabs: number; readonly contributing: boolean }) {
  return (
    <svg className="flock" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      {flockLayout(tabs).map((bird, i) => (
        <path
          key={i}
          className={i === 0 && contributing ? 'bird own' : 'bird'}
          d={BIRD_PATH}
          transform={`translate(${(bird.x * WIDTH).toFixed(1)} ${(bird.y * HEIGHT).toFixed(1)}) scale(${(bird.size * 2).toFixed(2)})`}
        />
      ))}
    </svg>
  )
}

function Curve({ run }: { readonly run: RunPicture }) {
  const last = Math.max(1, run.curve.at(-1)?.version ?? 1)
  const points = run.curve.map(({ version, success }) => `${((version / last) * 100).toFixed(2)},${(40 - success * 40).toFixed(2)}`)
  return (
    <figure className="curve">
      <figcaption>{messages.run.curve}</figcaption>
      <svg viewBox="0 -2 100 44" preserveAspectRatio="none" role="img" aria-label={run.curveSentence}>
        <path className="curve-frame" d="M0 0H100M0 20H100M0 40H100" />
        <polyline className="curve-line" points={points.join(' ')} />
      </svg>
    </figure>
  )
}

/** A small live picture of the whole run. */
export function SwarmPicture({ view, contributing }: { readonly view: VolunteerView; readonly contributing: boolean }) {
  const { run, connectionLost } = view
  return (
    <section className="card swarm" aria-labelledby="swarm" data-stale={connectionLost || undefined}>
      <h2 id="swarm" className="card-title">
        {messages.run.title}
      </h2>
      {connectionLost && <p className="notice">{messages.connectionLost}</p>}
      {run !== null && run.tabs > 0 && <Flock tabs={run.tabs} contributing={contributing} />}
      {run === null ? (
        <p className="muted">{view.runMissing}</p>
      ) : (
        <>
          <p>
            {run.tabsSentence} {contributing && run.tabs > 0 && messages.run.flockYours}
          </p>
          {run.curve.length > 0 && <Curve run={run} />}
          <dl className="rows">
            {run.figures.map(({ id, label, value }) => (
              <div key={id} data-run-figure={id}>
                <dt>{label}</dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
          <progress className="thin" aria-label={messages.run.updates} value={run.progress} max={1} />
        </>
      )}
      <a className="more" href="/dashboard">
        {messages.run.more}
      </a>
    </section>
  )
}
