import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { chainView, type StageView } from './chain-view.ts'
import { messages } from './messages.ts'

const WIDTH = 100

function Stage({ stage }: { readonly stage: StageView }) {
  return (
    <li className="stage" data-stage={stage.peer} data-state={stage.state}>
      <span className="muted">{stage.place}</span>
      <span className="mono">{stage.shortId}</span>
      <svg className="stage-slice" viewBox={`0 0 ${WIDTH} 8`} preserveAspectRatio="none" aria-hidden="true">
        <rect className="stage-model" width={WIDTH} height="8" />
        <rect className="stage-held" x={stage.from * WIDTH} width={stage.share * WIDTH} height="8" />
      </svg>
      <span>{stage.layers}</span>
      <span className="muted">{stage.latency}</span>
      {stage.relayed && <span className="chip">{messages.chain.relayed}</span>}
    </li>
  )
}

/** Row of the tabs that serve an answer, in the order in which its tokens pass them. */
export function ChainPicture({ coverage, answer, done }: { readonly coverage: LayerCoverage | undefined; readonly answer: string | null; readonly done: boolean }) {
  const { sentence, stages } = chainView(coverage, answer, done)
  return (
    <section className="card chain-card" aria-labelledby="chain">
      <h2 id="chain" className="card-title">
        {messages.chain.title}
      </h2>
      <p className="muted" data-chain-sentence>
        {sentence}
      </p>
      {stages.length > 0 && (
        <ol className="stages">
          {stages.map(stage => (
            <Stage key={stage.peer} stage={stage} />
          ))}
        </ol>
      )}
    </section>
  )
}
