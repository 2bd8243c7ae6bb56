import type { ReactNode } from 'react'
import { layerMessages } from './layer-messages.ts'
import { ScrollArea } from './scroll-area.tsx'
import type { BreakView, RequestView } from './served-requests.ts'

const { requests: requestText, breaks: breakText } = layerMessages

function Facts({ facts, name }: { readonly facts: readonly string[]; readonly name?: string }) {
  return (
    <p className="rollout-facts">
      {facts.map(fact => (
        <span key={fact}>{fact}</span>
      ))}
      {name !== undefined && <span className="mono request-key">{name}</span>}
    </p>
  )
}

function RequestItem({ request }: { readonly request: RequestView }) {
  return (
    <li data-request={request.key}>
      <div className="rollout-line">
        <div className="chains">
          {request.chains.length === 0 && <p>{requestText.nowhere}</p>}
          {request.chains.map(({ label, hops }, nth) => (
            // A request only ever gets further chains.
            <p key={nth} className="chain">
              <span className="muted">{label}</span>
              {hops.map(hop => (
                <span key={hop} className="mono hop">
                  {hop}
                </span>
              ))}
            </p>
          ))}
        </div>
        <span className="chip" data-end={request.end}>
          {request.endLabel}
        </span>
      </div>
      <Facts facts={request.facts} name={request.key} />
    </li>
  )
}

/** What comes in lengthens a scroll area, not the page. */
function Latest({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <div>
      <h3>{title}</h3>
      <ScrollArea label={title} className="latest">
        <ol>{children}</ol>
      </ScrollArea>
    </div>
  )
}

export function Requests({ requests }: { readonly requests: readonly RequestView[] }) {
  return (
    <Latest title={requestText.title}>
      {requests.map((request, nth) => (
        // Callers may use a name twice.
        <RequestItem key={nth} request={request} />
      ))}
    </Latest>
  )
}

export function Breaks({ breaks }: { readonly breaks: readonly BreakView[] }) {
  return (
    <Latest title={breakText.title}>
      {breaks.map(({ what, facts }, nth) => (
        <li key={nth} data-break>
          <p>{what}</p>
          <Facts facts={facts} />
        </li>
      ))}
    </Latest>
  )
}
