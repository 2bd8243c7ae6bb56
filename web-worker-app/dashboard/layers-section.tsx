import { CoveragePicture } from './coverage-picture.tsx'
import { HostsTable } from './hosts-table.tsx'
import { layerMessages } from './layer-messages.ts'
import type { LayersView } from './layers-view.ts'
import { Breaks, Requests } from './request-list.tsx'
import type { BreakView, RequestView } from './served-requests.ts'
import './layers.css'

interface LayersSectionProps {
  readonly layers: LayersView
  readonly requests: readonly RequestView[]
  readonly breaks: readonly BreakView[]
}

export function LayersSection({ layers: view, requests, breaks }: LayersSectionProps) {
  return (
    <section className="card layers" aria-labelledby="layers">
      <div className="section-head">
        <h2 id="layers" className="card-title">
          {layerMessages.title}
        </h2>
        <span className="muted">{view.summary}</span>
      </div>
      <div className="layers-status" role="status">
        {view.missing.map(({ layers, text }) => (
          <p key={layers} className="notice">
            <strong>{layers}</strong> {text}
          </p>
        ))}
        {view.status.length > 0 && <p className="muted">{view.status.join(' ')}</p>}
      </div>
      {view.picture !== null && <CoveragePicture layers={view.layers} picture={view.picture} />}
      {view.groups.length > 0 && <HostsTable view={view} />}
      {(requests.length > 0 || breaks.length > 0) && (
        <div className="served">
          {requests.length > 0 && <Requests requests={requests} />}
          {breaks.length > 0 && <Breaks breaks={breaks} />}
        </div>
      )}
    </section>
  )
}
