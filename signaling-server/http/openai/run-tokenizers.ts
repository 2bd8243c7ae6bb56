import { ModelFileError } from '#shared/model/model-file-error.ts'
import { loadTokenizer, type Tokenizer } from '#shared/model/tokenizer.ts'
import type { ServedRun } from '../../serving-port.ts'

/** Tokenizers of the runs that were asked for text, each read once. */
export class RunTokenizers {
  readonly #loaded = new Map<string, { readonly text: string; readonly tokenizer: Tokenizer | undefined }>()

  /** @param runs those that are open: what belonged to others is dropped @returns undefined when the run has none that can be read */
  of({ run, tokenizer: text }: ServedRun, runs: readonly ServedRun[]): Tokenizer | undefined {
    if (text === null) return undefined
    const known = this.#loaded.get(run)
    if (known?.text === text) return known.tokenizer
    for (const name of this.#loaded.keys()) if (!runs.some(({ run }) => run === name)) this.#loaded.delete(name)
    const tokenizer = read(text)
    this.#loaded.set(run, { text, tokenizer })
    return tokenizer
  }
}

function read(text: string): Tokenizer | undefined {
  try {
    return loadTokenizer(JSON.parse(text), 'tokenizer.json')
  } catch (error) {
    if (error instanceof ModelFileError || error instanceof SyntaxError) return undefined
    throw error
  }
}
