import { completionPositions, type TokenSequence } from './learner-backend.ts'
import { packLength, packPrompts, type PromptPack } from './prompt-pack.ts'

/** Packs that run together, padded on the right to one length. Row r of pack i is row i · length + r of the batch. */
export interface MicroBatch {
  readonly packs: readonly PromptPack[]
  /** Of the longest pack. */
  readonly length: number
}

/**
 * Cuts sequences into micro-batches of at most `rowBudget` rows, padding included; a longer sequence runs alone. Sorting by length
 * keeps the padding small.
 * @param rho see `packPrompts`
 */
export function packMicroBatches(sequences: readonly TokenSequence[], rowBudget: number, rho: number): MicroBatch[] {
  const packs = packPrompts(sequences, rowBudget, rho).toSorted((a, b) => packLength(b) - packLength(a))
  const batches: MicroBatch[] = []
  for (let start = 0; start < packs.length; ) {
    const length = packLength(packs[start]!)
    const count = Math.max(1, Math.floor(rowBudget / length))
    batches.push({ packs: packs.slice(start, start + count), length })
    start += count
  }
  return batches
}

/** Visits every row that holds a token, with the token's position in its sequence. */
export function forEachToken(
  sequences: readonly TokenSequence[],
  batch: MicroBatch,
  visit: (token: number, row: number, position: number) => void
): void {
  for (const [index, { members, promptLength, starts }] of batch.packs.entries()) {
    const base = index * batch.length
    const { tokens: prompt } = sequences[members[0]!]!
    for (let position = 0; position < promptLength; position++) visit(prompt[position]!, base + position, position)
    for (const [member, sequence] of members.entries()) {
      const { tokens } = sequences[sequence]!
      for (let row = starts[member]!; row < starts[member + 1]!; row++) {
        const position = promptLength + row - starts[member]!
        visit(tokens[position]!, base + row, position)
      }
    }
  }
}

/** Where the completion tokens of a micro-batch are predicted, and which tokens they are. */
export interface Predictions {
  /** Indices of the sequences, in the order of `offsets`. */
  readonly members: readonly number[]
  /** Member m owns the entries [offsets[m], offsets[m + 1]) of `rows` and `targets`. */
  readonly offsets: Int32Array
  /** Row whose hidden state predicts the token. All first tokens of a pack share the last row of the prompt. */
  readonly rows: Int32Array
  readonly targets: Int32Array
}

export function predictions(sequences: readonly TokenSequence[], batch: MicroBatch): Predictions {
  const members: number[] = []
  const offsets = [0]
  const rows: number[] = []
  const targets: number[] = []
  for (const [index, pack] of batch.packs.entries()) {
    const base = index * batch.length
    for (const [member, sequence] of pack.members.entries()) {
      const { tokens } = sequences[sequence]!
      for (const position of completionPositions(sequences[sequence]!)) {
        const behind = position - pack.promptLength
        rows.push(base + (behind === 0 ? pack.promptLength : pack.starts[member]! + behind) - 1)
        targets.push(tokens[position]!)
      }
      members.push(sequence)
      offsets.push(rows.length)
    }
  }
  return { members, offsets: Int32Array.from(offsets), rows: Int32Array.from(rows), targets: Int32Array.from(targets) }
}
