/** The tabs that work on one answer, from what the server tells of layers. Pure. */
import type { HOST_STATES, LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { rangeLength } from '#shared/scheduling/layer-range.ts'
import { formatInteger, formatMilliseconds, shortPeerId } from '../presentation/format.ts'
import { formatLayers } from '../dashboard/layers-view.ts'
import { messages } from './messages.ts'

export interface StageView {
  readonly peer: string
  readonly shortId: string
  readonly place: string
  readonly layers: string
  /** Of the model, 0…1. */
  readonly from: number
  readonly share: number
  readonly latency: string
  /** `gone`: it is in the swarm no more. */
  readonly state: (typeof HOST_STATES)[number] | 'gone'
  /** How its hidden states reach the next stage, or its tokens the first. */
  readonly relayed: boolean
}

export interface ChainView {
  readonly sentence: string
  readonly stages: readonly StageView[]
}

/** @param answer id of the answer; null: nothing was asked @param done the answer has ended */
export function chainView(coverage: LayerCoverage | undefined, answer: string | null, done: boolean): ChainView {
  const text = messages.chain
  if (answer === null) return { sentence: text.none, stages: [] }
  const chains = coverage?.recent.find(({ key }) => key === `${answer}/0`)?.chains
  const chain = chains?.at(-1)
  if (coverage === undefined || chain === undefined) return { sentence: done && coverage !== undefined ? text.forgotten : text.unknown, stages: [] }
  const { layers, hosts } = coverage
  const pipeline = coverage.pipelines.find(({ stages }) => stages.join() === chain.map(({ peer }) => peer).join())
  const stages = chain.map((stage, index): StageView => {
    const host = hosts.find(({ peer }) => peer === stage.peer)
    const whole = rangeLength(stage.layers) === layers
    return {
      peer: stage.peer,
      shortId: shortPeerId(stage.peer),
      place: text.stage(formatInteger(index + 1)),
      layers: whole ? text.allLayers : text.layers(formatLayers(stage.layers), rangeLength(stage.layers) === 1),
      from: stage.layers.start / layers,
      share: rangeLength(stage.layers) / layers,
      latency: host === undefined ? text.gone : host.state === 'late' ? text.late : host.decodeMs === null ? text.unmeasured : text.latency(formatMilliseconds(host.decodeMs)),
      state: host?.state ?? 'gone',
      relayed: pipeline?.relayed.includes(index) ?? false
    }
  })
  const now = stages.length === 1 ? text.one(stages[0]!.shortId) : text.several(formatInteger(stages.length))
  const broken = (chains?.length ?? 1) - 1
  return { sentence: broken === 0 ? now : `${now} ${text.before(formatInteger(broken))}`, stages }
}
