import type { ModelSlice } from '../model/tensor-names.ts'

/** The layers [start, end). */
export interface LayerRange {
  readonly start: number
  readonly end: number
}

/** The slice that a stage holds: who has layer 0 also embeds, who has the last layer also has the head. */
export function stageSlice(layers: number, start: number, end: number): ModelSlice {
  return { start, end, embed: start === 0, head: end === layers }
}

export function rangeLength(range: LayerRange): number {
  return range.end - range.start
}

export function isSameRange(left: LayerRange | null | undefined, right: LayerRange | null | undefined): boolean {
  return left?.start === right?.start && left?.end === right?.end
}

/** How many layers both have; none when one is missing. */
export function overlap(left: LayerRange | undefined, right: LayerRange | undefined): number {
  if (left === undefined || right === undefined) return 0
  return Math.max(0, Math.min(left.end, right.end) - Math.max(left.start, right.start))
}

/** What is left of a range without the layers of another: nothing, one piece or two. */
export function without(range: LayerRange, removed: LayerRange | undefined): LayerRange[] {
  if (removed === undefined || overlap(range, removed) === 0) return [{ start: range.start, end: range.end }]
  const pieces = [
    { start: range.start, end: Math.min(range.end, removed.start) },
    { start: Math.max(range.start, removed.end), end: range.end }
  ]
  return pieces.filter(piece => rangeLength(piece) > 0)
}
