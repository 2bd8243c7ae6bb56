import type { ContentHash, RunId } from '#shared/protocol/identifiers.ts'
import type { ChunkReference } from '#shared/protocol/manifest.ts'

/**
 * Chunks by content, in memory. A restarted server is empty: trainers publish again. What may come in and what may stay is
 * decided by the directory, so its size is bounded by what runs have announced.
 */
export class ChunkOrigin {
  readonly #chunks = new Map<ContentHash, Buffer>()
  readonly #expected = new Map<ContentHash, { readonly run: RunId; readonly chunk: ChunkReference }>()
  readonly #retained = new Map<RunId, ReadonlyMap<ContentHash, ChunkReference>>()

  get(hash: ContentHash): Buffer | undefined {
    return this.#chunks.get(hash)
  }

  missing(chunks: readonly ChunkReference[]): ChunkReference[] {
    return chunks.filter(chunk => !this.#chunks.has(chunk.hash))
  }

  /** From now on these may be put. */
  expect(run: RunId, chunks: readonly ChunkReference[]): void {
    for (const chunk of chunks) this.#expected.set(chunk.hash, { run, chunk })
  }

  expected(hash: ContentHash): ChunkReference | undefined {
    return this.#expected.get(hash)?.chunk
  }

  /** The caller has checked the bytes against the hash. */
  put(hash: ContentHash, bytes: Buffer): void {
    this.#expected.delete(hash)
    this.#chunks.set(hash, bytes)
  }

  /** Keeps these for the run, and what other runs keep or still expect; drops the rest. */
  retain(run: RunId, chunks: readonly ChunkReference[]): void {
    this.#retained.set(run, new Map(chunks.map(chunk => [chunk.hash, chunk])))
    this.#dropUnwanted()
  }

  /** What is kept for each run, here or, where another server leads, there. */
  retainedByRun(): [run: RunId, chunks: ChunkReference[]][] {
    return [...this.#retained].map(([run, chunks]) => [run, [...chunks.values()]])
  }

  /** @returns the chunk, if it is kept for some run */
  retained(hash: ContentHash): ChunkReference | undefined {
    for (const chunks of this.#retained.values()) {
      const chunk = chunks.get(hash)
      if (chunk !== undefined) return chunk
    }
    return undefined
  }

  /** Somebody else decides from now on, and will say anew what is kept. The bytes stay until then: most will be asked for again. */
  forgetDecisions(): void {
    this.#retained.clear()
    this.#expected.clear()
  }

  /** The run has ended: what nobody else keeps is dropped, and nothing is accepted for it. */
  forget(run: RunId): void {
    this.#retained.delete(run)
    for (const [hash, expected] of this.#expected) if (expected.run === run) this.#expected.delete(hash)
    this.#dropUnwanted()
  }

  #dropUnwanted(): void {
    for (const hash of this.#chunks.keys()) if (this.retained(hash) === undefined) this.#chunks.delete(hash)
  }

  get bytes(): number {
    return [...this.#chunks.values()].reduce((total, chunk) => total + chunk.byteLength, 0)
  }

  get size(): number {
    return this.#chunks.size
  }
}
