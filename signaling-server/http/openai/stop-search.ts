/**
 * Looks for stop strings in a text that comes in pieces, and cuts it before the one that is complete first (of several
 * that end at the same character, the longest). The result does not depend on how the text was cut into pieces.
 */
export class StopSearch {
  readonly #stops: readonly string[]
  /** The end of the text so far that may be the start of a stop string. */
  #held = ''

  /** @param stops none of them empty */
  constructor(stops: readonly string[]) {
    this.#stops = stops
  }

  /** @returns text that is no part of a stop string; when one was found, the last there is */
  push(piece: string): { readonly text: string; readonly found: boolean } {
    const text = this.#held + piece
    let first: { readonly start: number; readonly end: number } | undefined
    for (const stop of this.#stops) {
      const start = text.indexOf(stop)
      const end = start + stop.length
      if (start >= 0 && (first === undefined || end < first.end || (end === first.end && start < first.start))) first = { start, end }
    }
    if (first !== undefined) {
      this.#held = ''
      return { text: text.slice(0, first.start), found: true }
    }
    const certain = text.length - this.#heldAtEnd(text)
    this.#held = text.slice(certain)
    return { text: text.slice(0, certain), found: false }
  }

  /** No more text comes. @returns what was held back */
  flush(): string {
    const rest = this.#held
    this.#held = ''
    return rest
  }

  /** Length of the longest end of `text` that some stop string begins with. */
  #heldAtEnd(text: string): number {
    const longest = Math.max(0, ...this.#stops.map(stop => stop.length - 1))
    for (let length = Math.min(longest, text.length); length > 0; length--) {
      const end = text.slice(-length)
      if (this.#stops.some(stop => stop.length > length && stop.startsWith(end))) return length
    }
    return 0
  }
}
