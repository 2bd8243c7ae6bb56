import type { PeerId } from '../protocol/identifiers.ts'
import type { ModelShape } from './model-shape.ts'

/** What allocation knows of a peer. All of it is measured in the tab or set by its volunteer. */
export interface Device {
  readonly peer: PeerId
  /** Bytes that weights, adapters and caches may take. */
  readonly memoryBytes: number
  /** Decode speed: layers per millisecond, above 0. */
  readonly layersPerMs: number
  /** Peers of one region are near to each other. */
  readonly region?: string
  /** Peers of different networks cannot reach each other, not even relayed. */
  readonly network?: string
}

/** Named networks, and one for all devices that name none; in order of names. */
export function networksOf(devices: readonly Device[]): string[] {
  return [...new Set(devices.map(networkOf))].toSorted()
}

export function networkOf(device: Device): string {
  return device.network ?? ''
}

/** How many layers one device can hold, by what else it holds. Never more than the model has. */
export interface StageCapacity {
  /** Layers only. */
  readonly middle: number
  /** With the embedding; below 1 it cannot be a first stage. */
  readonly first: number
  /** With the head; below 1 it cannot be a last stage. */
  readonly last: number
  /** With both. */
  readonly whole: number
}

export function stageCapacity(shape: ModelShape, memoryBytes: number): StageCapacity {
  const fit = (other: number): number => Math.max(0, Math.min(shape.layers, Math.floor((memoryBytes - other) / shape.layerBytes)))
  return { middle: fit(0), first: fit(shape.embeddingBytes), last: fit(shape.headBytes), whole: fit(shape.embeddingAndHeadBytes) }
}

export function capacityInRole(capacity: StageCapacity, { embed, head }: { readonly embed: boolean; readonly head: boolean }): number {
  if (embed) return head ? capacity.whole : capacity.first
  return head ? capacity.last : capacity.middle
}

/**
 * Most capable first, of equally capable ones the faster, then by id. All four capacities grow with memory, so whoever
 * comes earlier can stand in for whoever comes later.
 */
export function mostCapableFirst<Item extends { readonly device: Device; readonly capacity: StageCapacity }>(items: readonly Item[]): Item[] {
  return items.toSorted(
    ({ device: left, capacity: l }, { device: right, capacity: r }) =>
      r.middle - l.middle || r.first - l.first || r.last - l.last || r.whole - l.whole || right.layersPerMs - left.layersPerMs || (left.peer < right.peer ? -1 : 1)
  )
}

/**
 * The most layers that these can hold as one pipeline, over all choices of the first and the last stage. With no possible
 * first or last stage the result is far below 0; otherwise it grows with every member.
 */
export function pipelineCapacity(members: readonly StageCapacity[]): number {
  if (members.length === 1) return members[0]!.whole
  let layers = 0
  let first = Infinity
  let otherFirst = Infinity
  let firstAt = -1
  let last = Infinity
  let otherLast = Infinity
  let lastAt = -1
  for (let index = 0; index < members.length; index++) {
    const member = members[index]!
    layers += member.middle
    const asFirst = embeddingPrice(member)
    const asLast = headPrice(member)
    if (asFirst < first) {
      otherFirst = first
      first = asFirst
      firstAt = index
    } else if (asFirst < otherFirst) otherFirst = asFirst
    if (asLast < last) {
      otherLast = last
      last = asLast
      lastAt = index
    } else if (asLast < otherLast) otherLast = asLast
  }
  return layers - (firstAt === lastAt ? Math.min(first + otherLast, otherFirst + last) : first + last)
}

export function canHoldAll(members: readonly StageCapacity[], layers: number): boolean {
  return members.some(({ whole }) => whole >= layers) || (members.length > 0 && pipelineCapacity(members) >= layers)
}

/** Stands for "cannot": more than any pipeline has layers, yet finite, so that sums stay comparable. */
const IMPOSSIBLE = 1e6

/** Layers lost to the embedding in a first stage. */
export function embeddingPrice({ middle, first }: StageCapacity): number {
  return first < 1 ? IMPOSSIBLE : middle - first
}

/** Layers lost to the head in a last stage. */
export function headPrice({ middle, last }: StageCapacity): number {
  return last < 1 ? IMPOSSIBLE : middle - last
}
