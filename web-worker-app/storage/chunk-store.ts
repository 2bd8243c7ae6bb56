/** Where a tab keeps verified chunks: in the browser's database, so that a reload resumes, or in memory where that is refused. */
import { sha256Hex } from '#shared/crypto/sha256.ts'

/** The policy version that a chunk was fetched for. Space is made by forgetting whole versions. */
export interface ChunkOwner {
  readonly run: string
  readonly version: number
}

export interface ChunkStore {
  /** @returns a copy, which the caller may give away; undefined when the chunk is not here, or no longer what its hash says: such a chunk is deleted */
  get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined>
  /** The bytes must have been verified. Storing may forget other versions, never a pinned one. */
  put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner): Promise<void>
  /** Never forgotten to make space while this page lives: the base model, from which everything else follows. */
  pin(owner: ChunkOwner): void
  forget(owner: ChunkOwner): Promise<void>
}

/** What a store knows of one owner, for the choice of what goes first. */
export interface OwnerRecord {
  readonly key: string
  readonly bytes: number
  /** Grows with every use. */
  readonly lastUsed: number
}

export function ownerKey({ run, version }: ChunkOwner): string {
  return `${run}/${version}`
}

/** The least recently used owners whose removal brings the sum to the budget; pinned ones and `current` stay, whatever they take. */
export function ownersToForget(owners: readonly OwnerRecord[], budgetBytes: number, pinned: ReadonlySet<string>, current: string): string[] {
  let total = owners.reduce((sum, { bytes }) => sum + bytes, 0)
  const forgotten: string[] = []
  for (const { key, bytes } of owners.toSorted((a, b) => a.lastUsed - b.lastUsed)) {
    if (total <= budgetBytes) break
    if (key === current || pinned.has(key)) continue
    total -= bytes
    forgotten.push(key)
  }
  return forgotten
}

/** @returns the bytes when they are what the hash says */
export function intact(hash: string, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | undefined {
  return sha256Hex(bytes) === hash ? bytes : undefined
}
