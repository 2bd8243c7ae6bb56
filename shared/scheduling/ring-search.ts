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
  readonly layers: number
  readonly hosts: readonly RingHost[]
  /** One-way, row by row. */
  readonly delays: Float64Array
  /** By boundary: hosts that can have served the layer before it, and hosts that can serve the layer after it. */
  readonly leaving: readonly (readonly number[])[]
  readonly entering: readonly (readonly number[])[]
  /** By boundary: those of the latter that start there. */
  readonly starting: readonly (readonly number[])[]
  readonly everyLayer: boolean
}

function ringGraph(layers: number, hosts: readonly RingHost[], delays: Float64Array, everyLayer: boolean): RingGraph {
  const boundaries = (): number[][] => Array.from({ length: layers + 1 }, () => [])
  const [leaving, entering, starting] = [boundaries(), boundaries(), boundaries()]
  for (const [index, { start, end }] of hosts.entries()) {
    if (start < end) starting[start]!.push(index)
    for (let boundary = start; boundary < end; boundary++) {
      entering[boundary]!.push(index)
      leaving[boundary + 1]!.push(index)
    }
  }
  return { layers, hosts, delays, leaving, entering, starting, everyLayer }
}

/** Whom a host may hand over to at a boundary. */
function successors({ hosts, entering, starting, everyLayer }: RingGraph, from: number, boundary: number): readonly number[] {
  return everyLayer || hosts[from]!.end === boundary ? entering[boundary]! : starting[boundary]!
}

/** @returns by boundary and host: at least this much more costs a path that the host has served up to the boundary, or starts at it; without the way back */
function costsToGo(graph: RingGraph): Float64Array[] {
  const { layers, hosts, delays } = graph
  const togo = Array.from({ length: layers + 1 }, () => new Float64Array(hosts.length).fill(Infinity))
  for (const last of graph.leaving[layers]!) togo[layers]![last] = 0
  const entry = new Float64Array(hosts.length)
  for (let boundary = layers - 1; boundary >= 0; boundary--) {
    const here = togo[boundary]!
    for (const host of graph.entering[boundary]!) {
      here[host] = hosts[host]!.layerMs + togo[boundary + 1]![host]!
      entry[host] = hosts[host]!.queueMs + here[host]!
    }
    for (const from of graph.leaving[boundary]!) {
      const row = from * hosts.length
      let least = Infinity
      for (const to of successors(graph, from, boundary)) {
        const ms = delays[row + to]! + entry[to]!
        if (ms < least && to !== from) least = ms
      }
      here[from] = Math.min(here[from]!, least + hosts[from]!.sendMs)
    }
  }
  return togo
}

function leastWayBack({ layers, hosts, delays, leaving }: RingGraph, head: number): number {
  return Math.min(...leaving[layers]!.map(last => delays[last * hosts.length + head]!))
}

/** @returns the best ring with that head if it costs less than `limit` */
function ringFrom(graph: RingGraph, head: number, bounds: readonly Float64Array[], wayBack: number, limit: number): FoundRing | undefined {
  const { layers, hosts, delays } = graph
  /** By host: the least cost of having been served there up to the boundary, and how. */
  const served = new Float64Array(hosts.length).fill(Infinity)
  const pieces: (Piece | undefined)[] = Array.from({ length: hosts.length })
  const entered = new Float64Array(hosts.length)
  const enteredFrom: (Piece | undefined)[] = Array.from({ length: hosts.length })
  served[head] = hosts[head]!.queueMs
  pieces[head] = { host: head, start: 0, before: undefined }
  for (let boundary = 0; boundary < layers; boundary++) {
    const entering = graph.entering[boundary]!
    for (const to of entering) entered[to] = Infinity
    for (const from of graph.leaving[boundary]!) {
      if (served[from]! + bounds[boundary]![from]! + wayBack >= limit) continue
      const before = pieces[from]!
      const left = served[from]! + hosts[from]!.sendMs
      for (const to of successors(graph, from, boundary)) {
        const ms = left + delays[from * hosts.length + to]! + hosts[to]!.queueMs
        if (ms >= entered[to]! || ms >= served[to]! || goesThrough(before, to)) continue
        entered[to] = ms
        enteredFrom[to] = before
      }
    }
    for (const to of entering) {
      if (entered[to]! < served[to]!) {
        served[to] = entered[to]!
        pieces[to] = { host: to, start: boundary, before: enteredFrom[to] }
      }
      served[to]! += hosts[to]!.layerMs
    }
  }
  let best: FoundRing | undefined
  for (const last of graph.leaving[layers]!) {
    const ms = served[last]! + delays[last * hosts.length + head]!
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
