/** What each prompt number asks: the same for every process of a run, and for the verifier. */
import type { Environment } from '#shared/environments/environment.ts'
import { promptTokens } from '#shared/environments/turn-tokens.ts'
import type { Model } from '#shared/model/model-directory.ts'
import { UserError } from '../user-error.ts'

const PROMPTS_TRIED = 64

export interface Prompt {
  readonly text: string
  readonly tokens: readonly number[]
}

export interface PromptSource {
  prompt(number: number): Prompt
  /** Draws the prompt's task from the training split. */
  taskSeed(number: number): string
}

/** @throws {UserError} when prompts and answers do not fit in the model's context */
export function createPromptSource(environment: Environment, { tokenizer, config }: Model, seed: number, maxTokens: number): PromptSource {
  const taskSeed = (number: number): string => `${seed}/${number}`
  const prompt = (number: number): Prompt => {
    const text = environment.render(environment.start(environment.sample(taskSeed(number), 'train')))
    return { text, tokens: promptTokens(tokenizer, config.bosTokenId, text) }
  }
  const longest = Math.max(...Array.from({ length: PROMPTS_TRIED }, (_, number) => prompt(number).tokens.length))
  if (longest + maxTokens > config.contextLength) {
    throw new UserError(`environment "${environment.name}" has prompts of ${longest} tokens, which with batch.maxTokens = ${maxTokens} exceed the model's context of ${config.contextLength}; lower batch.maxTokens`)
  }
  return { prompt, taskSeed }
}
