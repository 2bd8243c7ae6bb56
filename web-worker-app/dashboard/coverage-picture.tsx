import { formatInteger } from '../presentation/format.ts'
import { layerMessages } from './layer-messages.ts'
import type { LayersView } from './layers-view.ts'

const HEIGHT = 40
/** An empty stretch has to be seen, too. */
const FLOOR = 3

/** Over the layers of the model, how many ready tabs hold each: a profile with gaps where nobody does. */
export function CoveragePicture({ layers, picture }: { readonly layers: number; readonly picture: NonNullable<LayersView['picture']> }) {
  const { title, axis } = layerMessages.picture
  return (
    <figure className="coverage">
      <figcaption>
        <span className="muted">{title}</span> <b>{picture.range}</b>
      </figcaption>
      <svg className="coverage-profile" viewBox={`0 0 ${layers} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={picture.sentence}>
        {picture.stretches.map(({ layers: { start, end }, ready }) => {
          const height = ready === 0 ? HEIGHT : FLOOR + (ready / picture.most) * (HEIGHT - FLOOR)
          return <rect key={start} x={start} y={HEIGHT - height} width={end - start} height={height} data-gap={ready === 0 || undefined} />
        })}
      </svg>
      <div className="coverage-axis muted" aria-hidden="true">
        <span>{axis(formatInteger(0))}</span>
        {layers > 1 && <span>{axis(formatInteger(layers - 1))}</span>}
      </div>
    </figure>
  )
}
