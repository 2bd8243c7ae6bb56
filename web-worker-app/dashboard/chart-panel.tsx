import { useState } from 'react'
import { formatInteger } from '../presentation/format.ts'
import { formatPoint, type ChartModel } from './chart-models.ts'
import { messages } from './messages.ts'
import { Plot } from './plot.tsx'
import { ScrollArea } from './scroll-area.tsx'

/** The values at the cursor, or the latest ones of a line while nothing is pointed at. */
function Readout({ model, pointed }: { readonly model: ChartModel; readonly pointed: number | null }) {
  const index = pointed !== null && pointed < model.x.length ? pointed : model.kind === 'line' ? model.x.length - 1 : null
  return (
    <p className="readout" aria-hidden="true">
      {index !== null && (
        <span className="readout-x">
          {model.xLabel} {formatInteger(model.x[index]!)}
        </span>
      )}
      {model.series.map(series => (
        <span key={series.label} className="readout-value" data-role={series.role}>
          {series.label} {index !== null && <b>{formatPoint(series.values[index], series.style)}</b>}
        </span>
      ))}
    </p>
  )
}

function ChartTable({ model }: { readonly model: ChartModel }) {
  return (
    <ScrollArea label={messages.charts.tableOf(model.title)} className="chart-table">
      <table>
        <thead>
          <tr>
            <th scope="col">{model.xLabel}</th>
            {model.series.map(series => (
              <th key={series.label} scope="col">
                {series.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {model.x.map((x, row) => (
            <tr key={x}>
              <th scope="row">{formatInteger(x)}</th>
              {model.series.map(series => (
                <td key={series.label}>{formatPoint(series.values[row], series.style)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea>
  )
}

/** One chart: drawing or table, as the reader likes. */
export function ChartPanel({ model }: { readonly model: ChartModel }) {
  const [asTable, setAsTable] = useState(false)
  const [pointed, setPointed] = useState<number | null>(null)
  const heading = `chart-${model.id}`
  const empty = model.x.length === 0
  return (
    <section className="card chart" data-chart={model.id} aria-labelledby={heading}>
      <div className="chart-head">
        <h3 id={heading}>{model.title}</h3>
        <button type="button" className="small" aria-pressed={asTable} aria-label={messages.charts.tableOf(model.title)} disabled={empty} onClick={() => setAsTable(!asTable)}>
          {messages.charts.table}
        </button>
      </div>
      {empty ? (
        <p className="chart-empty muted">{messages.charts.noData}</p>
      ) : asTable ? (
        <ChartTable model={model} />
      ) : (
        <>
          <Readout model={model} pointed={pointed} />
          <Plot model={model} onPoint={setPointed} />
        </>
      )}
    </section>
  )
}
