import type { TokenSequence } from './learner-backend.ts'

/**
 * One prompt followed by several of its completions, run as a single sequence: every completion attends to the prompt and to itself
 * and continues the prompt's positions, so a group's prompt is computed once and not once per rollout (Prefix Grouper, Liu et al.
 * 2025, arXiv:2506.05433, for the exactness of its gradient).
 */
export interface PromptPack {
  /** Indices into the sequences that were packed; all have the same prompt. */
  readonly members: readonly number[]
  readonly promptLength: number
  /** starts[m] is the row of member m's first completion token; the entry after the last member is the pack's length. */
  readonly starts: readonly number[]
}

export function packLength(pack: PromptPack): number {
  return pack.starts.at(-1)!
}

/** Rows that a completion needs: its last token predicts nothing that is asked for. */
function completionRows({ tokens, promptLength }: TokenSequence): number {
  return Math.max(0, tokens.length - promptLength - 1)
}

/**
 * Packs completions of equal prompts. With p prompt rows and x completion rows per pack, the cost per completion is proportional to
 * (p + x)(ρ + p + x) / x, where ρ is the cost of a row's matrix products in units of attending to one key; it is least at
 * x = √(p (ρ + p)).
 *
 * @param rowBudget no pack is longer, unless a single completion is
 * @param rho about 2.5 · hidden size, measured with onnxruntime on CPU
 */
export function packPrompts(sequences: readonly TokenSequence[], rowBudget: number, rho: number): PromptPack[] {
  const groups = new Map<string, number[]>()
  for (const [index, { tokens, promptLength }] of sequences.entries()) {
    if (promptLength < 1 || promptLength > tokens.length) throw new RangeError(`sequence ${index}: prompt of ${promptLength} of ${tokens.length} tokens`)
    const prompt = Array.from({ length: promptLength }, (_, at) => tokens[at]!).join()
    const group = groups.get(prompt)
    if (group === undefined) groups.set(prompt, [index])
    else group.push(index)
  }
  return [...groups.values()].flatMap(group => packGroup(sequences, group, rowBudget, rho))
}

function packGroup(sequences: readonly TokenSequence[], group: readonly number[], rowBudget: number, rho: number): PromptPack[] {
  const { promptLength } = sequences[group[0]!]!
  const limit = Math.min(rowBudget, promptLength + Math.sqrt(promptLength * (rho + promptLength)))
  const packs: PromptPack[] = []
  let members: number[] = []
  let starts = [promptLength]
  for (const index of group) {
    const rows = completionRows(sequences[index]!)
    if (members.length > 0 && starts.at(-1)! + rows > limit) {
      packs.push({ members, promptLength, starts })
      members = []
      starts = [promptLength]
    }
    members.push(index)
    starts.push(starts.at(-1)! + rows)
  }
  packs.push({ members, promptLength, starts })
  return packs
}
