import { useMemo, useState } from 'react'
import { PageFrame } from '../presentation/page-frame.tsx'
import { useSession } from '../presentation/session-context.ts'
import type { SessionSnapshot } from '../session/session-store.ts'
import { Cards } from './cards.tsx'
import { ChartPanel } from './chart-panel.tsx'
import { LayersSection } from './layers-section.tsx'
import { LinksTable } from './links-table.tsx'
import { messages } from './messages.ts'
import { PeersTable } from './peers-table.tsx'
import { Rejections } from './rejections.tsx'
import { RolloutList } from './rollout-list.tsx'
import { RunHeader } from './run-header.tsx'
import { dashboardView, type EmptyView, type RunView } from './view-model.ts'
import './dashboard.css'

function Empty({ view }: { readonly view: EmptyView }) {
  return (
    <div className="empty" role="status">
      <h1>{view.headline}</h1>
      <p className="muted">{view.explanation}</p>
      {view.command !== null && <pre>{view.command}</pre>}
    </div>
  )
}

interface RunProps {
  readonly view: RunView
  readonly connectionLost: boolean
  readonly held: boolean
  readonly onHold: (held: boolean) => void
}

function Run({ view, connectionLost, held, onHold }: RunProps) {
  return (
    <div data-run={view.header.run} data-stale={connectionLost || undefined}>
      <RunHeader header={view.header} held={held} onHold={onHold} />
      <div role="status">
        {connectionLost && <p className="notice">{messages.lost}</p>}
        {held && <p className="notice calm">{messages.held}</p>}
      </div>
      <Cards cards={view.cards} />
      <section aria-labelledby="charts">
        <h2 id="charts" className="visually-hidden">
          {messages.charts.title}
        </h2>
        <div className="charts">
          {view.charts.map(model => (
            <ChartPanel key={model.id} model={model} />
          ))}
          <Rejections rejections={view.rejections} />
        </div>
      </section>
      {view.layers !== null && <LayersSection layers={view.layers} requests={view.requests} breaks={view.breaks} />}
      <PeersTable peers={view.peers} />
      <LinksTable links={view.links} />
      <RolloutList task={view.task} rollouts={view.rollouts} />
    </div>
  )
}

export function DashboardPage() {
  const live = useSession()
  const [held, setHeld] = useState<SessionSnapshot | null>(null)
  const shown = held ?? live
  const view = useMemo(() => dashboardView(shown), [shown])
  return (
    <PageFrame view="dashboard" connection={live.connection}>
      <title>{view.documentTitle}</title>
      {view.kind === 'empty' ? (
        <Empty view={view} />
      ) : (
        <Run view={view} connectionLost={live.connection !== 'online'} held={held !== null} onHold={hold => setHeld(hold ? live : null)} />
      )}
    </PageFrame>
  )
}
