/** One answer: from the tokens that the port delivers to text, cut at stop strings. */
import type { Tokenizer } from '#shared/model/tokenizer.ts'
import type { SequenceToServe, ServingPort, ServingRefusal } from '../../serving-port.ts'
import { IncrementalDecoder } from './incremental-decoder.ts'
import { StopSearch } from './stop-search.ts'

/** Part of an answer, or all of it. Text may lag behind its tokens: halves of characters and starts of stop strings are held back. */
export interface AnswerPart {
  text: string
  readonly tokens: number[]
  /** As many. */
  readonly logProbs: number[]
  /** Where each token's text begins in the answer, in UTF-16 units. */
  readonly offsets: number[]
  finish: 'stop' | 'length' | null
}

export interface AnswerOptions {
  readonly eosTokenIds: readonly number[]
  /** undefined: the answer has tokens only. */
  readonly tokenizer: Tokenizer | undefined
  readonly stops: readonly string[]
}

export class Answer {
  /** Since the last `take`. */
  #part: AnswerPart = emptyPart()
  readonly #decoder: IncrementalDecoder | undefined
  readonly #search: StopSearch
  readonly #eosTokenIds: readonly number[]
  /** UTF-16 units of all text so far, told or held back. */
  #length = 0
  #tokens = 0
  #done = false
  #refusal: ServingRefusal | undefined
  #service: { close(): void } | undefined

  constructor({ tokenizer, stops, eosTokenIds }: AnswerOptions) {
    this.#decoder = tokenizer === undefined ? undefined : new IncrementalDecoder(tokenizer)
    this.#search = new StopSearch(stops)
    this.#eosTokenIds = eosTokenIds
  }

  /** @param changed called whenever there is more to take, and at the end */
  open(port: ServingPort, sequence: SequenceToServe, changed: () => void): void {
    this.#service = port.open(sequence, {
      tokens: (ids, logProbs) => {
        for (const [index, id] of ids.entries()) this.#add(id, logProbs[index]!)
        changed()
      },
      finished: reason => {
        if (this.#done) return
        this.#addText(this.#decoder?.flush() ?? '')
        // A stop string may have been completed by what was held back.
        if (!this.#done) this.#end(this.#search.flush(), reason)
        changed()
      },
      refused: refusal => {
        this.#done = true
        this.#refusal = refusal
        changed()
      }
    })
    if (this.#done) this.close()
  }

  /** Nobody wants the rest. */
  close(): void {
    this.#done = true
    this.#service?.close()
  }

  get isDone(): boolean {
    return this.#done
  }

  /** Why it ended without an end. */
  get refusal(): ServingRefusal | undefined {
    return this.#refusal
  }

  /** Tokens so far. */
  get tokens(): number {
    return this.#tokens
  }

  /** @returns what has come since the last time */
  take(): AnswerPart {
    const part = this.#part
    this.#part = emptyPart()
    return part
  }

  #add(token: number, logProb: number): void {
    if (this.#done) return
    this.#tokens++
    this.#part.tokens.push(token)
    this.#part.logProbs.push(logProb)
    this.#part.offsets.push(this.#length)
    // The token that ends the sequence has no text; other special tokens keep theirs, as in training.
    if (this.#decoder !== undefined && !this.#eosTokenIds.includes(token)) this.#addText(this.#decoder.push(token))
  }

  #addText(text: string): void {
    this.#length += text.length
    const found = this.#search.push(text)
    if (!found.found) {
      this.#part.text += found.text
      return
    }
    this.#end(found.text, 'stop')
    this.#service?.close()
  }

  #end(text: string, finish: 'stop' | 'length'): void {
    this.#part.text += text
    this.#part.finish = finish
    this.#done = true
  }
}

function emptyPart(): AnswerPart {
  return { text: '', tokens: [], logProbs: [], offsets: [], finish: null }
}
