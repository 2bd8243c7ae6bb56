import type { Tokenizer } from '#shared/model/tokenizer.ts'

const REPLACEMENT = '\uFFFD'
/** Told tokens that are decoded again with the next ones: some decoders treat the start of a text in another way than its middle. */
const CONTEXT = 4
/** A character has at most four bytes: so many tokens without its end are not text. */
const HELD_MOST = 32

/**
 * The text of tokens as they come. A character whose bytes are spread over several tokens is held back until it is whole;
 * decoders show an unfinished one as a single U+FFFD at the end.
 */
export class IncrementalDecoder {
  readonly #tokenizer: Tokenizer
  #context: number[] = []
  #contextText = ''
  /** Tokens since the last whole character at a token's end. */
  #open: number[] = []
  /** Of the text of `#open`: how much was told. */
  #told = 0

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer
  }

  /** @returns what is certain now and was not told yet */
  push(token: number): string {
    this.#open.push(token)
    const text = this.#openText()
    if (text.endsWith(REPLACEMENT) && this.#open.length < HELD_MOST) return this.#tell(text.slice(0, -1))
    const fresh = this.#tell(text)
    this.#context = [...this.#context, ...this.#open].slice(-CONTEXT)
    this.#contextText = this.#tokenizer.decode(this.#context)
    this.#open = []
    this.#told = 0
    return fresh
  }

  /** No more tokens come. @returns what was held back */
  flush(): string {
    return this.#tell(this.#openText())
  }

  #openText(): string {
    return this.#tokenizer.decode([...this.#context, ...this.#open]).slice(this.#contextText.length)
  }

  #tell(text: string): string {
    const fresh = text.slice(this.#told)
    this.#told = Math.max(this.#told, text.length)
    return fresh
  }
}
