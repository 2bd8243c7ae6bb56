interface Line {
  /** That it has at the moment. */
  places: number
  /** 0: it has had none yet. */
  lastTurn: number
  readonly waiting: Set<() => void>
}

/**
 * A few places, and those who wait for one. Of all who wait, it is the turn of whoever has the fewest places at the moment, and of
 * those, of whoever had its last turn the longest ago (max-min fairness: Bertsekas and Gallager, "Data Networks", section 6.5.2).
 */
export class FairQueue {
  #free: number
  #turns = 0
  /** Of everybody who waits or has a place. */
  readonly #lines = new Map<string, Line>()

  constructor(places: number) {
    this.#free = places
  }

  /**
   * @param name of somebody who may want many places
   * @param begin called once, at once or when it is its turn
   * @returns gives the place back, or waits for it no more; called again it does nothing
   */
  enter(name: string, begin: () => void): () => void {
    const line = this.#lines.get(name) ?? { places: 0, lastTurn: 0, waiting: new Set() }
    this.#lines.set(name, line)
    const take = (): void => begin()
    line.waiting.add(take)
    this.#fill()
    let gone = false
    return () => {
      if (gone) return
      gone = true
      if (!line.waiting.delete(take)) {
        line.places--
        this.#free++
      }
      if (line.places === 0 && line.waiting.size === 0) this.#lines.delete(name)
      this.#fill()
    }
  }

  #fill(): void {
    while (this.#free > 0) {
      const line = this.#next()
      if (line === undefined) return
      const [take] = line.waiting
      line.waiting.delete(take!)
      line.places++
      line.lastTurn = ++this.#turns
      this.#free--
      take!()
    }
  }

  #next(): Line | undefined {
    let next: Line | undefined
    for (const line of this.#lines.values()) {
      if (line.waiting.size === 0) continue
      if (next === undefined || line.places < next.places || (line.places === next.places && line.lastTurn < next.lastTurn)) next = line
    }
    return next
  }
}
