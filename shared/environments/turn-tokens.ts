import type { Tokenizer } from '../model/tokenizer.ts'

/** Ids of a prompt: the model's start token, then the rendered text. */
export function promptTokens(tokenizer: Tokenizer, bosTokenId: number, prompt: string): number[] {
  return [bosTokenId, ...tokenizer.encode(prompt)]
}

/**
 * The text of generated tokens as an environment gets it: a final end token is cut off. Any other special token stays
 * visible, so that it counts as the error it is.
 */
export function actionText(tokenizer: Tokenizer, eosTokenIds: readonly number[], tokens: readonly number[]): string {
  const last = tokens.at(-1)
  const ended = last !== undefined && eosTokenIds.includes(last)
  return tokenizer.decode(ended ? tokens.slice(0, -1) : tokens)
}
