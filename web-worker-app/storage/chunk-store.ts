/** Where a tab keeps verified chunks: in the browser's database, so that a reload resumes, or in memory where that is refused. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { sha256Hex } from '#shared/crypto/sha256.ts'

/** A policy version that has chunks. Space is made by forgetting whole versions; a chunk of several goes with the last of them. */
export interface ChunkOwner {
  readonly run: string
  readonly version: number
}

export interface ChunkStore {
  /**
   * @param owner needs the chunk too, whoever stored it
   * @returns a copy, which the caller may give away; undefined when the chunk is not here, or no longer what its hash says: such a chunk is deleted
   */
  get(hash: string, owner?: ChunkOwner): Promise<Uint8Array<ArrayBuffer> | undefined>
  /**
   * The bytes must have been verified. Storing may forget other versions, never a pinned one.
   * @param rebuilt from chunks that are here: cheap to have again, so it may be in memory only for a while
   */
  put(hash: string, bytes: Uint8Array<ArrayBuffer>, owner: ChunkOwner, rebuilt?: boolean): Promise<PutOutcome>
  /** Not forgotten to make space for others while this page lives: the base model, from which everything else follows. */
  pin(owner: ChunkOwner): void
  forget(owner: ChunkOwner): Promise<void>
}

/** `over_cap`: nothing that may be forgotten would make enough space for it. */
export type PutOutcome = 'stored' | 'over_cap'

/** What a store knows of one owner, for the choice of what goes first. */
export interface OwnerRecord {
  readonly key: string
  /** Of the chunks that are charged to it: each is, to one of its owners. */
  readonly bytes: number
  /** Grows with every use. */
  readonly lastUsed: number
  /** A base model: dear to fetch again, so it goes after all that is not. */
  readonly base: boolean
}

export function ownerKey({ run, version }: ChunkOwner): string {
  return `${run}/${version}`
}

/** @returns the owner that is forgotten first: the least recently used, base models last; undefined when all are to stay */
export function nextToForget(owners: readonly OwnerRecord[], staying: ReadonlySet<string>): OwnerRecord | undefined {
  return owners.filter(({ key }) => !staying.has(key)).toSorted((a, b) => Number(a.base) - Number(b.base) || a.lastUsed - b.lastUsed)[0]
}

/** @returns the bytes when they are what the hash says */
export async function intact(hash: string, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return (await sha256(bytes)) === hash ? bytes : undefined
}

/** The browser's own, which leaves this thread to the hidden states; on insecure origins there is none. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const { subtle } = crypto as { subtle?: SubtleCrypto }
  return subtle === undefined ? sha256Hex(bytes) : bytesToHex(new Uint8Array(await subtle.digest('SHA-256', bytes)))
}

/** @returns the same bytes with nothing around them: a view is stored with the whole buffer that it looks into, be that thirty times as large */
export function withoutSurroundings(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
}
