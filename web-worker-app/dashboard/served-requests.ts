/** Which tabs worked on the latest requests, what that took, and where pipelines broke. Pure. */
import type { LayerCoverage, ServedRequest } from '#shared/protocol/layer-coverage.ts'
import { rangeLength } from '#shared/scheduling/layer-range.ts'
import { formatInteger, formatMilliseconds, shortPeerId } from '../presentation/format.ts'
import { layerMessages } from './layer-messages.ts'
import { formatLayers } from './layers-view.ts'

/** A chain may have as many hops as the model has layers: of a long one, its beginning and its end are named. */
export const HOPS_NAMED = 6
const LAST_HOPS_NAMED = 2

export interface ChainView {
  /** What it says before the hops. */
  readonly label: string
  readonly hops: readonly string[]
}

export interface RequestView {
  readonly key: string
  /** Where it went, one chain after the other. */
  readonly chains: readonly ChainView[]
  readonly facts: readonly string[]
  readonly end: NonNullable<ServedRequest['end']> | 'running'
  readonly endLabel: string
}

export interface BreakView {
  readonly what: string
  readonly facts: readonly string[]
}

function chainView(chain: ServedRequest['chains'][number], index: number, layers: number): ChainView {
  const text = layerMessages.requests
  const hops = chain.map(hop => text.hop(shortPeerId(hop.peer), rangeLength(hop.layers) === layers ? text.allLayers : formatLayers(hop.layers)))
  const hidden = hops.length - HOPS_NAMED
  if (hidden > 0) hops.splice(HOPS_NAMED - LAST_HOPS_NAMED, hidden, text.hopsHidden(formatInteger(hidden)))
  return { label: text.through(index === 0), hops }
}

function requestView({ key, version, chains, tokens, firstTokenMs, totalMs, end }: ServedRequest, layers: number): RequestView {
  const text = layerMessages.requests
  const duration = formatMilliseconds(totalMs)
  return {
    key,
    chains: chains.map((chain, index) => chainView(chain, index, layers)),
    facts: [
      text.tokens(formatInteger(tokens)),
      ...(firstTokenMs === null ? [] : [text.first(formatMilliseconds(firstTokenMs))]),
      end === null ? text.soFar(duration) : text.total(duration),
      text.version(formatInteger(version))
    ],
    end: end ?? 'running',
    endLabel: end === null ? text.running : text.end[end]
  }
}

export function requestViews({ recent, layers }: LayerCoverage): RequestView[] {
  return recent.map(request => requestView(request, layers))
}

export function breakViews({ breaks }: LayerCoverage): BreakView[] {
  const text = layerMessages.breaks
  return breaks.map(({ pipeline, peer, cause, sequences, detectedAfterMs, recoveredAfterMs }) => ({
    what: text.what(shortPeerId(peer), text.cause[cause], String(pipeline)),
    facts: [
      text.sequences(formatInteger(sequences)),
      text.detected(formatMilliseconds(detectedAfterMs)),
      recoveredAfterMs === null ? text.waiting : text.recovered(formatMilliseconds(recoveredAfterMs))
    ]
  }))
}
