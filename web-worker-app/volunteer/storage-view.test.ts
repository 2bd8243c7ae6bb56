import { expect, test } from 'vitest'
import { sampleSnapshot } from '../presentation/sample-run.ts'
import { INITIAL_SITE_STATE, type SiteState } from '../storage/site-storage.ts'
import type { StorageCondition } from '../storage/spilling-chunk-store.ts'
import { messages } from './messages.ts'
import { storageView } from './storage-view.ts'

const { memoryOnly } = messages.storage
const view = (site: Partial<SiteState> = {}, storage: StorageCondition = 'kept') => storageView(sampleSnapshot({ site: { ...INITIAL_SITE_STATE, ...site } }, { storage }))

test('what is used is shown beside the cap, with the base model as a part of it', () => {
  expect(view({ usedBytes: 750_000_000, baseBytes: 500_000_000, capBytes: 1_000_000_000 })).toMatchObject({
    used: '750 MB of at most 1.0 GB',
    base: '500 MB of it is base model',
    usedShare: 0.75,
    baseShare: 0.5,
    notice: null
  })
  expect(view({ capBytes: 0 })).toMatchObject({ usedShare: 0, baseShare: 0 })
})

test('a cap that is none of the choices is one more', () => {
  const usual = view().choices.map(({ bytes }) => bytes)
  expect(usual).toContain(INITIAL_SITE_STATE.capBytes)
  const bytes = view({ capBytes: 3_000_000 }).choices.map(choice => choice.bytes)
  expect(bytes).toEqual([...usual, 3_000_000].toSorted((a, b) => a - b))
})

test.each<[string, Partial<SiteState>, StorageCondition, string | null]>([
  ['all is stored', {}, 'kept', null],
  ['the browser refuses', { available: false }, 'kept', memoryOnly.refused],
  ['nothing may be stored', { capBytes: 0 }, 'over_cap', memoryOnly.nothing],
  ['the cap is reached', {}, 'over_cap', memoryOnly.over_cap],
  ['the disk is full', {}, 'full', memoryOnly.full],
  ['it was deleted', {}, 'lost', memoryOnly.lost]
])('%s: one line says so', (_, site, condition, notice) => {
  expect(view(site, condition).notice).toBe(notice)
})

test('the browser’s promise is told of what there is to keep', () => {
  expect(view().promise).toBeNull()
  expect(view({ usedBytes: 1 }).promise).toBe(messages.storage.notPersisted)
  expect(view({ usedBytes: 1, persisted: true }).promise).toBe(messages.storage.persisted)
})
