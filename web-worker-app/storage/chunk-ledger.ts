/** The books of the chunk database. Each function is part of one transaction, at whose ends the owners' bytes sum up to what is stored. */
import { nextToForget, type OwnerRecord } from './chunk-store.ts'
import type { ChunkEntry, Writing } from './chunk-database.ts'

export interface Usage {
  readonly usedBytes: number
  /** Of base models; the rest is adapters and other versions. */
  readonly baseBytes: number
}

export function usageOf(owners: readonly OwnerRecord[]): Usage {
  const sum = (counted: readonly OwnerRecord[]): number => counted.reduce((total, { bytes }) => total + bytes, 0)
  return { usedBytes: sum(owners), baseBytes: sum(owners.filter(({ base }) => base)) }
}

/** Marks the owners of a chunk as used now, with one more owner where one is given. A chunk that is not stored has none. */
export async function useChunk(writing: Writing, hash: string, now: number, owner?: { readonly key: string; readonly base: boolean }): Promise<void> {
  const entry = await writing.objectStore('entries').get(hash)
  if (entry === undefined) return
  const owners = owner === undefined || entry.owners.includes(owner.key) ? entry.owners : [...entry.owners, owner.key]
  if (owners !== entry.owners) await writing.objectStore('entries').put({ ...entry, owners })
  for (const key of owners) await change(writing, key, record => ({ ...record, lastUsed: now, base: record.base || (key === owner?.key && owner.base) }))
}

/** Only after room was made for it. */
export async function addChunk(writing: Writing, hash: string, bytes: Uint8Array<ArrayBuffer>, now: number, owner: { readonly key: string; readonly base: boolean }): Promise<void> {
  await writing.objectStore('chunks').put({ hash, bytes })
  await writing.objectStore('entries').put({ hash, size: bytes.byteLength, owners: [owner.key] })
  await change(writing, owner.key, record => ({ ...record, bytes: record.bytes + bytes.byteLength, lastUsed: now, base: record.base || owner.base }))
}

export async function removeChunk(writing: Writing, hash: string): Promise<void> {
  const entry = await writing.objectStore('entries').get(hash)
  if (entry === undefined) return
  await erase(writing, hash)
  await charge(writing, entry, -entry.size)
}

/** What other owners need as well stays, and is charged to one of them. */
export async function removeOwner(writing: Writing, key: string): Promise<void> {
  for (const entry of await writing.objectStore('entries').index('owner').getAll(key)) {
    const others = entry.owners.filter(owner => owner !== key)
    if (others.length === 0) {
      await erase(writing, entry.hash)
      continue
    }
    const left = { ...entry, owners: others }
    await writing.objectStore('entries').put(left)
    if (entry.owners[0] === key) await charge(writing, left, entry.size)
  }
  await writing.objectStore('owners').delete(key)
}

/**
 * Forgets owners until what is stored, and `addedBytes` more, is at most `capBytes`.
 * @returns false when those that may go do not suffice
 */
export async function makeRoom(writing: Writing, addedBytes: number, capBytes: number, staying: ReadonlySet<string>): Promise<boolean> {
  for (;;) {
    const owners = await writing.objectStore('owners').getAll()
    if (usageOf(owners).usedBytes + addedBytes <= capBytes) return true
    const next = nextToForget(owners, staying)
    if (next === undefined) return false
    await removeOwner(writing, next.key)
  }
}

async function erase(writing: Writing, hash: string): Promise<void> {
  await writing.objectStore('chunks').delete(hash)
  await writing.objectStore('entries').delete(hash)
}

function charge(writing: Writing, entry: ChunkEntry, bytes: number): Promise<void> {
  return change(writing, entry.owners[0]!, record => ({ ...record, bytes: record.bytes + bytes }))
}

async function change(writing: Writing, key: string, to: (record: OwnerRecord) => OwnerRecord): Promise<void> {
  const owners = writing.objectStore('owners')
  await owners.put(to((await owners.get(key)) ?? { key, bytes: 0, lastUsed: 0, base: false }))
}
