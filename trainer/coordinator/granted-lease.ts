/** A lease as it goes to a peer. */
import type { CoordinatorEffect } from '#shared/coordination/coordinator-state.ts'
import type { TurnKey } from '#shared/coordination/lease-table.ts'
import type { Lease, LeasedPrompt } from '#shared/protocol/lease.ts'
import { rolloutSeed } from '#shared/verification/committed-randomness.ts'
import type { RolloutBook } from './rollout-book.ts'
import type { RunTerms } from './run-terms.ts'

type Granted = Extract<CoordinatorEffect, { kind: 'lease_granted' }>

export function grantedLease({ lease, version, samples, durationMs }: Granted, terms: RunTerms, book: RolloutBook, manifestHashes: ReadonlyMap<number, string>): Lease {
  const manifestHash = manifestHashes.get(version)
  if (manifestHash === undefined) throw new Error(`version ${version} was leased, but has no manifest`)
  return { id: lease, run: terms.run, version, manifestHash, prompts: leasedPrompts(samples, terms, book), maxTokens: terms.maxTokens, durationMs }
}

/** First turns of one prompt follow the same tokens; each later turn follows its own. */
function leasedPrompts(turns: readonly TurnKey[], { runSecret }: RunTerms, book: RolloutBook): LeasedPrompt[] {
  const together = new Map<string, LeasedPrompt>()
  for (const key of turns) {
    const { prompt, index, turn } = key
    const name = turn === 0 ? String(prompt) : `${prompt}/${index}`
    const { tokens, position } = book.context(key)
    const leased = together.get(name) ?? { prompt, tokens: [...tokens], samples: [] }
    leased.samples.push({ index, seed: rolloutSeed(runSecret, prompt, index), ...(turn > 0 && { turn, position }) })
    together.set(name, leased)
  }
  return [...together.values()]
}
