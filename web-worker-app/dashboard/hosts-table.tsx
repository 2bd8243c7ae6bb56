import { formatInteger, NOT_YET } from '../presentation/format.ts'
import { layerMessages } from './layer-messages.ts'
import type { HostGroup, HostRow, LayersView } from './layers-view.ts'
import { ScrollArea } from './scroll-area.tsx'

const { columns, path } = layerMessages
const COLUMNS = Object.keys(columns).length

/** Where in the model the slice lies; the numbers beside it say the same. */
function SliceBar({ row, layers }: { readonly row: HostRow; readonly layers: number }) {
  return (
    <svg className="slice-bar" viewBox={`0 0 ${layers} 1`} preserveAspectRatio="none" data-state={row.state} aria-hidden="true">
      <rect className="slice-model" width={layers} height="1" />
      {row.layers !== null && <rect className="slice-held" x={row.layers.start} width={row.layers.end - row.layers.start} height="1" />}
    </svg>
  )
}

function Row({ row, layers }: { readonly row: HostRow; readonly layers: number }) {
  return (
    <tr data-host={row.peer} data-state={row.state}>
      <th scope="row" className="mono" title={row.peer}>
        {row.shortId}
      </th>
      <td className="slice">
        <span className="slice-label">{row.layersLabel}</span>
        <SliceBar row={row} layers={layers} />
      </td>
      <td className="words">
        <span className="host-state" data-state={row.state}>
          {row.stateLabel}
        </span>
      </td>
      <td>{row.stage ?? NOT_YET}</td>
      <td>{row.latency}</td>
      <td>{row.inFlight}</td>
      <td className="words">{row.next === null ? NOT_YET : row.next === 'relay' ? <span className="chip relayed">{path.relay}</span> : path.link}</td>
    </tr>
  )
}

function Group({ group, layers }: { readonly group: HostGroup; readonly layers: number }) {
  return (
    <tbody data-group={group.id}>
      <tr className="group-head">
        <th scope="rowgroup" colSpan={COLUMNS}>
          <span className="group-line">
            {group.title}
            {group.open !== null && (
              <span className="chip" data-open={group.open}>
                {group.open ? layerMessages.open : layerMessages.notOpen}
              </span>
            )}
            {group.facts.map(fact => (
              <span key={fact} className="muted">
                {fact}
              </span>
            ))}
          </span>
        </th>
      </tr>
      {group.rows.map(row => (
        <Row key={row.peer} row={row} layers={layers} />
      ))}
    </tbody>
  )
}

/** Every host a row with its slice as a bar, under the pipeline that it is in. */
export function HostsTable({ view }: { readonly view: LayersView }) {
  return (
    <>
      <p className="muted layers-note">{layerMessages.note}</p>
      <ScrollArea label={layerMessages.table} className="hosts">
        <table>
          <thead>
            <tr>
              <th scope="col">{columns.peer}</th>
              <th scope="col" className="slice">
                {columns.layers}
              </th>
              <th scope="col" className="words">
                {columns.state}
              </th>
              {[columns.stage, columns.latency, columns.inFlight].map(label => (
                <th key={label} scope="col">
                  {label}
                </th>
              ))}
              <th scope="col" className="words">
                {columns.next}
              </th>
            </tr>
          </thead>
          {view.groups.map(group => (
            <Group key={group.id} group={group} layers={view.layers} />
          ))}
        </table>
      </ScrollArea>
      {view.hidden > 0 && <p className="muted">{layerMessages.more(formatInteger(view.hidden))}</p>}
    </>
  )
}
