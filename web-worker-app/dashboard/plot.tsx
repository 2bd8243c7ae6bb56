import { useEffect, useEffectEvent, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { ChartModel } from './chart-models.ts'
import { useDarkScheme } from './dark-scheme.ts'
import { MARKED_POINTS, PLOT_HEIGHT, plotData, plotOptions, readPalette, type PointedAt } from './plot-options.ts'

interface PlotProps {
  readonly model: ChartModel
  readonly onPoint: PointedAt
}

function Canvas({ model, onPoint }: PlotProps) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const pointed = useEffectEvent(onPoint)
  const draw = useEffectEvent((element: HTMLDivElement) => new uPlot(plotOptions(model, element.clientWidth, readPalette(element), index => pointed(index)), plotData(model), element))

  useEffect(() => {
    const element = host.current!
    const drawn = draw(element)
    plot.current = drawn
    const resized = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== drawn.width) drawn.setSize({ width: element.clientWidth, height: PLOT_HEIGHT })
    })
    resized.observe(element)
    return () => {
      resized.disconnect()
      drawn.destroy()
      plot.current = null
    }
  }, [])

  useEffect(() => {
    plot.current?.setData(plotData(model))
  }, [model])

  return <div ref={host} className="plot" role="img" aria-label={model.sentence} />
}

/**
 * The drawing of a chart. A canvas says nothing to a screen reader, so the whole is one image with the model's sentence.
 * Colours and point marks are options of a drawing, not data: where they change, it is made anew.
 */
export function Plot({ model, onPoint }: PlotProps) {
  const dark = useDarkScheme()
  const marks = Math.sign(model.x.length - 1) + Math.sign(model.x.length - MARKED_POINTS - 1)
  return <Canvas key={`${dark ? 'dark' : 'light'} ${marks}`} model={model} onPoint={onPoint} />
}
