/** What is in flight at every peer: kept by whoever assigns chains, read by the cost of a hop. */
import type { PeerId } from '../protocol/identifiers.ts'
import type { LayerRange } from './layer-range.ts'

export interface StageLoad {
  /** Sequences whose chain goes through the peer. */
  readonly rows: number
  /** The layers that the peer runs for each of them, added up. */
  readonly rowLayers: number
}

export type StageLoads = Map<PeerId, StageLoad>

/** One stage of a chain: the peer and the layers that it runs there. */
export interface ChainStage {
  readonly peer: PeerId
  readonly layers: LayerRange
}

const IDLE: StageLoad = { rows: 0, rowLayers: 0 }

export function loadOf(loads: StageLoads, peer: PeerId): StageLoad {
  return loads.get(peer) ?? IDLE
}

export function occupyChain(loads: StageLoads, stages: readonly ChainStage[], rows = 1): void {
  change(loads, stages, rows)
}

export function releaseChain(loads: StageLoads, stages: readonly ChainStage[], rows = 1): void {
  change(loads, stages, -rows)
}

function change(loads: StageLoads, stages: readonly ChainStage[], added: number): void {
  for (const { peer, layers } of stages) {
    const former = loadOf(loads, peer)
    const rows = former.rows + added
    if (rows < 0) throw new RangeError(`${peer} is released more often than it was occupied`)
    if (rows === 0) loads.delete(peer)
    else loads.set(peer, { rows, rowLayers: former.rowLayers + added * (layers.end - layers.start) })
  }
}
