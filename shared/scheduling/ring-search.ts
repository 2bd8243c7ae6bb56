/**
 * The cheapest ring through hosts of layer ranges: a shortest path over (host, layer reached) whose end is linked back to its start. The
 * start is unknown, so a bound without the way back is computed once for all, backwards; then the most promising
 * heads are tried, and only where the bound says that they could still be better (branch and bound).
 */
import type { LayerRange } from './layer-range.ts'

export interface RingHost extends LayerRange {
  readonly layerMs: number
  /** Once, on entering. */
  readonly queueMs: number
  /** Once, on leaving for another host. */
  readonly sendMs: number
}

export interface Ring {
  readonly ms: number
  /** By index of host; they tile [0, layers). */
  readonly pieces: readonly { readonly host: number; readonly start: number; readonly end: number }[]
}

/** What one host runs of a path that ends there. */
interface Piece {
  readonly host: number
  readonly start: number
  readonly before: Piece | undefined
}

/**
 * A host is entered at most once. Whether a ring is found is exact if `everyLayer`; its cost is least among all rings, unless the cheapest way to some
 * stage already went through the host that would best follow it. Then the next best way is taken there.
 * @param delays one-way milliseconds from host to host, row by row; Infinity without a link
 * @param everyLayer whether hosts may hand over anywhere, or only where the next slice starts or the present one ends
 */
export function cheapestRing(layers: number, hosts: readonly RingHost[], delays: Float64Array, everyLayer: boolean): Ring | undefined {
  const graph = ringGraph(layers, hosts, delays, everyLayer)
  const bounds = costsToGo(graph)
  const heads = graph.entering[0]!.map(head => {
    const wayBack = leastWayBack(graph, head)
    return { head, wayBack, bound: hosts[head]!.queueMs + bounds[0]![head]! + wayBack }
  })
  let best: FoundRing | undefined
  for (const { head, wayBack, bound } of heads.toSorted((left, right) => left.bound - right.bound || left.head - right.head)) {
    if (bound >= (best?.ms ?? Infinity)) break
    best = ringFrom(graph, head, bounds, wayBack, best?.ms ?? Infinity) ?? best
  }
  return best === undefined ? undefined : { ms: best.ms, pieces: piecesOf(best.last, layers) }
}

/** @returns the end of what can be reached from layer 0 along links; `layers` if only a link back is missing */
export function furthestLayer(layers: number, hosts: readonly RingHost[], delays: Float64Array): number {
  let reached = new Set<number>()
  for (let layer = 0; layer < layers; layer++) {
    const leaving = [...reached].filter(from => layer <= hosts[from]!.end)
    const isEntered = (to: number): boolean => layer === 0 || reached.has(to) || leaving.some(from => delays[from * hosts.length + to]! < Infinity)
    reached = new Set([...hosts.keys()].filter(to => hosts[to]!.start <= layer && layer < hosts[to]!.end && isEntered(to)))
    if (reached.size === 0) return layer
  }
  return layers
}

interface FoundRing {
  readonly ms: number
  readonly last: Piece
}

interface RingGraph {
  readonly size: number
  /** By host, like the delays: reading them is most of the work. */
  readonly layerMs: Float64Array
  readonly queueMs: Float64Array
  readonly sendMs: Float64Array
  /** One-way, row by row. */
  readonly delays: Float64Array
  /** Layers before which hosts may hand over, from 0 to all, in order. */
  readonly cuts: readonly number[]
  /** By cut: hosts that can have served the layer before it, and hosts that can serve the layer after it. */
  readonly leaving: readonly (readonly number[])[]
  readonly entering: readonly (readonly number[])[]
  /** By cut and host: whom the host may hand over to there. */
  readonly successors: (cut: number, from: number) => readonly number[]
}

function ringGraph(layers: number, hosts: readonly RingHost[], delays: Float64Array, everyLayer: boolean): RingGraph {
  const isCut = Array.from({ length: layers + 1 }, (_, layer) => everyLayer || layer === 0 || layer === layers)
  for (const { start, end } of hosts) isCut[start] = isCut[end] = true
  const cuts = [...isCut.keys()].filter(layer => isCut[layer])
  const cutAt = new Map(cuts.map((layer, cut) => [layer, cut]))
  const byCut = (): number[][] => cuts.map(() => [])
  const [leaving, entering, starting] = [byCut(), byCut(), byCut()]
  const ends = hosts.map(({ end }) => cutAt.get(end)!)
  for (const [index, { start }] of hosts.entries()) {
    const first = cutAt.get(start)!
    if (first < ends[index]!) starting[first]!.push(index)
    for (let cut = first; cut < ends[index]!; cut++) {
      entering[cut]!.push(index)
      leaving[cut + 1]!.push(index)
    }
  }
  const of = (key: 'layerMs' | 'queueMs' | 'sendMs'): Float64Array => Float64Array.from(hosts, host => host[key])
  const successors = (cut: number, from: number): readonly number[] => (everyLayer || ends[from] === cut ? entering[cut]! : starting[cut]!)
  return { size: hosts.length, layerMs: of('layerMs'), queueMs: of('queueMs'), sendMs: of('sendMs'), delays, cuts, leaving, entering, successors }
}

/** @returns by cut and host: at least this much more costs a path that the host has served up to the cut, or starts at it; without the way back */
function costsToGo({ size, layerMs, queueMs, sendMs, delays, cuts, leaving, entering, successors }: RingGraph): Float64Array[] {
  const last = cuts.length - 1
  const togo = cuts.map(() => new Float64Array(size).fill(Infinity))
  for (const host of leaving[last]!) togo[last]![host] = 0
  const entry = new Float64Array(size)
  for (let cut = last - 1; cut >= 0; cut--) {
    const here = togo[cut]!
    const later = togo[cut + 1]!
    const length = cuts[cut + 1]! - cuts[cut]!
    for (const host of entering[cut]!) {
      here[host] = layerMs[host]! * length + later[host]!
      entry[host] = queueMs[host]! + here[host]!
    }
    for (const from of leaving[cut]!) {
      const row = from * size
      let least = Infinity
      for (const to of successors(cut, from)) {
        const ms = delays[row + to]! + entry[to]!
        if (ms < least && to !== from) least = ms
      }
      least += sendMs[from]!
      if (least < here[from]!) here[from] = least
    }
  }
  return togo
}

function leastWayBack({ size, delays, leaving }: RingGraph, head: number): number {
  let least = Infinity
  for (const last of leaving.at(-1)!) least = Math.min(least, delays[last * size + head]!)
  return least
}

/** @returns the best ring with that head if it costs less than `limit` */
function ringFrom({ size, layerMs, queueMs, sendMs, delays, cuts, leaving, entering, successors }: RingGraph, head: number, bounds: readonly Float64Array[], wayBack: number, limit: number): FoundRing | undefined {
  /** By host: the least cost of having been served there up to the cut, and how. */
  const served = new Float64Array(size).fill(Infinity)
  const pieces: (Piece | undefined)[] = Array.from({ length: size })
  const entered = new Float64Array(size)
  const enteredFrom: (Piece | undefined)[] = Array.from({ length: size })
  served[head] = queueMs[head]!
  pieces[head] = { host: head, start: 0, before: undefined }
  for (let cut = 0; cut < cuts.length - 1; cut++) {
    const bound = bounds[cut]!
    for (const to of entering[cut]!) entered[to] = Infinity
    for (const from of leaving[cut]!) {
      if (served[from]! + bound[from]! + wayBack >= limit) continue
      const before = pieces[from]!
      const left = served[from]! + sendMs[from]!
      const row = from * size
      for (const to of successors(cut, from)) {
        const ms = left + delays[row + to]! + queueMs[to]!
        if (ms >= entered[to]! || ms >= served[to]! || goesThrough(before, to)) continue
        entered[to] = ms
        enteredFrom[to] = before
      }
    }
    const length = cuts[cut + 1]! - cuts[cut]!
    for (const to of entering[cut]!) {
      if (entered[to]! < served[to]!) {
        served[to] = entered[to]!
        pieces[to] = { host: to, start: cuts[cut]!, before: enteredFrom[to] }
      }
      served[to]! += layerMs[to]! * length
    }
  }
  let best: FoundRing | undefined
  for (const last of leaving.at(-1)!) {
    const ms = served[last]! + delays[last * size + head]!
    if (ms < (best?.ms ?? limit)) best = { ms, last: pieces[last]! }
  }
  return best
}

function goesThrough(path: Piece, host: number): boolean {
  for (let piece: Piece | undefined = path; piece !== undefined; piece = piece.before) if (piece.host === host) return true
  return false
}

function piecesOf(last: Piece, layers: number): Ring['pieces'] {
  const pieces: { host: number; start: number; end: number }[] = []
  let end = layers
  for (let piece: Piece | undefined = last; piece !== undefined; piece = piece.before) {
    pieces.unshift({ host: piece.host, start: piece.start, end })
    end = piece.start
  }
  return pieces
}
