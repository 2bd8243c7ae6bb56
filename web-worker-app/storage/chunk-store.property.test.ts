import { IDBFactory } from 'fake-indexeddb'
import 'fake-indexeddb/auto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import { runs } from '#shared/testing/property-runs.ts'
import { openChunkDatabase, write, type ChunkDatabase } from './chunk-database.ts'
import { usageOf } from './chunk-ledger.ts'
import { ownerKey, type ChunkOwner } from './chunk-store.ts'
import { IdbChunkStore } from './idb-chunk-store.ts'
import { SiteStorage } from './site-storage.ts'

const CAP = 10
const chunks = [1, 2, 3, 3, 4, 6].map((size, label) => {
  const bytes = new Uint8Array(size).fill(label)
  return { hash: sha256Hex(bytes), bytes, size }
})
const owners: readonly ChunkOwner[] = [0, 1, 2, 3].map(version => ({ run: 'run', version }))
/** Pinned by both tabs. */
const base = owners[0]!

const tab = fc.nat({ max: 1 })
const chunk = fc.constantFrom(...chunks.keys())
const owner = fc.constantFrom(...owners)
const step = fc.oneof(
  fc.record({ kind: fc.constant('put'), tab, chunk, owner }),
  fc.record({ kind: fc.constant('get'), tab, chunk, owner: fc.option(owner, { nil: undefined }) }),
  fc.record({ kind: fc.constant('forget'), tab, owner }),
  fc.record({ kind: fc.constant('corrupt'), tab, chunk }),
  fc.record({ kind: fc.constant('cap'), capBytes: fc.integer({ min: 0, max: 14 }) })
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** What two tabs of one origin may keep, said as simply as can be: sets of owners, and sums made afresh whenever one is needed. */
class Model {
  readonly owners = new Map<number, ChunkOwner[]>()
  /** Least recently used first. */
  used: ChunkOwner[] = []
  /** Owners that were pinned when they used something. */
  readonly bases = new Set<ChunkOwner>()
  cap = CAP

  get bytes(): number {
    return [...this.owners.keys()].reduce((sum, label) => sum + chunks[label]!.size, 0)
  }

  take(step: Step): void {
    switch (step.kind) {
      case 'put': {
        const stays = (candidate: ChunkOwner): boolean => candidate === base || candidate === step.owner
        if (this.owners.has(step.chunk)) return this.use(step.chunk, step.owner)
        if (!this.makeRoom(chunks[step.chunk]!.size, stays)) return
        this.owners.set(step.chunk, [])
        return this.use(step.chunk, step.owner)
      }
      case 'get':
        if (this.owners.has(step.chunk)) this.use(step.chunk, step.owner)
        return
      case 'forget':
        return this.forget(step.owner)
      case 'corrupt':
        this.owners.delete(step.chunk)
        return
      case 'cap':
        this.cap = step.capBytes
        this.makeRoom(0, () => false)
    }
  }

  use(label: number, owner: ChunkOwner | undefined): void {
    const all = this.owners.get(label)!
    if (owner !== undefined && !all.includes(owner)) all.push(owner)
    if (owner === base) this.bases.add(base)
    this.used = [...this.used.filter(used => !all.includes(used)), ...all]
  }

  makeRoom(added: number, stays: (owner: ChunkOwner) => boolean): boolean {
    while (this.bytes + added > this.cap) {
      const order = [...this.used.filter(used => !this.bases.has(used)), ...this.used.filter(used => this.bases.has(used))]
      const next = order.find(candidate => !stays(candidate))
      if (next === undefined) return false
      this.forget(next)
    }
    return true
  }

  forget(owner: ChunkOwner): void {
    for (const [label, all] of this.owners) {
      const left = all.filter(other => other !== owner)
      this.owners.set(label, left)
      if (left.length === 0) this.owners.delete(label)
    }
    this.used = this.used.filter(used => used !== owner)
    this.bases.delete(owner)
  }
}

async function openTabs(): Promise<{ tabs: [IdbChunkStore, IdbChunkStore]; site: SiteStorage; database: ChunkDatabase; carryOut: (step: Step) => Promise<unknown>; close: () => void }> {
  globalThis.indexedDB = new IDBFactory()
  let clock = 0
  const open = (): Promise<IdbChunkStore> => IdbChunkStore.open('murmuration-chunks', undefined, () => ++clock)
  const tabs: [IdbChunkStore, IdbChunkStore] = [await open(), await open()]
  const site = new SiteStorage(() => {})
  const database = await openChunkDatabase('murmuration-chunks')
  await site.keepAtMost(CAP)
  for (const store of tabs) store.pin(base)
  const carryOut = (step: Step): Promise<unknown> => {
    switch (step.kind) {
      case 'put':
        return tabs[step.tab]!.put(chunks[step.chunk]!.hash, chunks[step.chunk]!.bytes, step.owner)
      case 'get':
        return tabs[step.tab]!.get(chunks[step.chunk]!.hash, step.owner)
      case 'forget':
        return tabs[step.tab]!.forget(step.owner)
      case 'corrupt':
        return corrupt(database, tabs[step.tab]!, chunks[step.chunk]!.hash)
      case 'cap':
        return site.keepAtMost(step.capBytes)
    }
  }
  const close = (): void => {
    for (const store of tabs) store.close()
    site.close()
    database.close()
  }
  return { tabs, site, database, carryOut, close }
}

/** A disk that has changed a chunk, and the tab that finds out. */
async function corrupt(database: ChunkDatabase, store: IdbChunkStore, hash: string): Promise<void> {
  await write(database, async writing => {
    const chunksStored = writing.objectStore('chunks')
    if ((await chunksStored.getKey(hash)) !== undefined) await chunksStored.put({ hash, bytes: Uint8Array.of(255) })
  })
  await store.get(hash)
}

/** What the books say, and what is there. */
async function audit(database: ChunkDatabase): Promise<{ booked: ReturnType<typeof usageOf>; kept: Map<string, string[]>; bytes: number; orphans: string[] }> {
  const entries = await database.getAll('entries')
  const hashes = await database.getAllKeys('chunks')
  const known = new Set(entries.map(({ hash }) => hash))
  return {
    booked: usageOf(await database.getAll('owners')),
    kept: new Map(entries.map(({ hash, owners: keys }) => [hash, [...keys].toSorted()])),
    bytes: entries.reduce((sum, { size }) => sum + size, 0),
    orphans: [...hashes.filter(hash => !known.has(hash)), ...[...known].filter(hash => !hashes.includes(hash))]
  }
}

test('two tabs and their page keep exactly what the model says, and the books are right after every step', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const { database, carryOut, close } = await openTabs()
      const model = new Model()
      for (const next of steps) {
        await carryOut(next)
        model.take(next)
        const { booked, kept, orphans } = await audit(database)
        expect(kept).toEqual(new Map([...model.owners].map(([label, all]) => [chunks[label]!.hash, all.map(ownerKey).toSorted()])))
        expect(booked.usedBytes).toBe(model.bytes)
        expect(orphans).toEqual([])
      }
      close()
    }),
    runs(60)
  )
})

test('whatever two tabs do at once, the books are right and the cap holds', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const { database, site, carryOut, close } = await openTabs()
      await Promise.all(steps.map(carryOut))
      const { booked, bytes, orphans } = await audit(database)
      expect(booked.usedBytes).toBe(bytes)
      expect(bytes).toBeLessThanOrEqual((await site.refresh()).capBytes)
      expect(orphans).toEqual([])
      close()
    }),
    runs(60)
  )
})
