import { BatchGenerator } from '#shared/engine/batch-generator.ts'
import { uniform } from '#shared/verification/committed-randomness.ts'
import { ROWS, type PlayingPolicy } from './play-episodes.ts'

export interface CompletionRequest {
  /** All tokens before the completion. */
  readonly tokens: readonly number[]
  /** As in {@link Play}; left out, every token is the likeliest one. */
  readonly seed?: string
  /** Uniforms of the seed that were used up before. */
  readonly position?: number
}

/** @returns the tokens that follow each request, in their order, with the end token where one was drawn */
export async function completions({ engine }: PlayingPolicy, requests: readonly CompletionRequest[], maxTokens: number): Promise<(readonly number[])[]> {
  const generator = new BatchGenerator({ engine, uniform, maxRows: ROWS })
  for (const [index, { tokens, seed, position }] of requests.entries()) {
    generator.submit({ prompt: Int32Array.from(tokens), samples: [{ id: String(index), ...(seed !== undefined && { seed, position: position ?? 0 }) }], maxTokens })
  }
  const completed: (readonly number[])[] = []
  while (generator.pending > 0) for (const { id, tokens } of await generator.step()) completed[Number(id)] = tokens
  return completed
}
