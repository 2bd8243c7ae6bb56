/** An answer as a teacher marks it: what was asked, every step with a mark, and what it comes to. */

export type Mark = 'right' | 'wrong'

export interface WorkedLine {
  readonly text: string
  /** Absent where there is nothing to check. */
  readonly mark?: Mark
  readonly note?: string
  /** What a step leaves open, of whole numbers from 1 to `of`. */
  readonly open?: { readonly low: number; readonly high: number; readonly of: number }
}

export interface WorkedAnswerView {
  readonly question: string
  readonly steps: readonly WorkedLine[]
  readonly result: WorkedLine
}

export function markOf(right: boolean): Mark {
  return right ? 'right' : 'wrong'
}
