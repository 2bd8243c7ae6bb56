/** `of`: what the message, the piece or the fragment was numbered with, or the code of a bad frame. */
export interface Heard {
  readonly kind: 'up' | 'down' | 'message' | 'piece' | 'fragment' | 'bad_frame'
  readonly of?: number | string
}

/** What one end has heard, in its order. */
export class Hearing {
  readonly #heard: Heard[] = []
  readonly #waiting: (() => void)[] = []

  note(kind: Heard['kind'], of?: number | string): void {
    this.#heard.push({ kind, ...(of !== undefined && { of }) })
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Resolves when so many of a kind were heard. @returns all that was heard until then */
  async hears(kind: Heard['kind'], count: number): Promise<Heard[]> {
    while (this.#heard.filter(heard => heard.kind === kind).length < count) await new Promise<void>(resolve => void this.#waiting.push(resolve))
    return this.#heard
  }
}
