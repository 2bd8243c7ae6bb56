import { IDBFactory } from 'fake-indexeddb'
import 'fake-indexeddb/auto'
import { beforeEach, expect, test } from 'vitest'
import { INITIAL_SITE_STATE, SiteStorage } from './site-storage.ts'

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory()
})

test('to read what is kept, nothing is made', async () => {
  expect(await new SiteStorage(() => {}).refresh()).toEqual(INITIAL_SITE_STATE)
  expect(await indexedDB.databases()).toEqual([])
})

test('whoever asks is answered with what is kept, also where another question overtakes', async () => {
  await new SiteStorage(() => {}).hideAddress(true)
  const site = new SiteStorage(() => {})
  const answers = await Promise.all([site.refresh(), site.refresh(), site.refresh()])
  expect(answers.map(({ hideAddress }) => hideAddress)).toEqual([true, true, true])
})

test('what the address of the page fixes is shown, and not kept', async () => {
  const fixed = new SiteStorage(() => {}, { capBytes: 5, hideAddress: true })
  await fixed.keepAtMost(7)
  expect(await fixed.refresh()).toMatchObject({ capBytes: 5, capFixed: true, hideAddress: true, addressFixed: true })
  expect(await new SiteStorage(() => {}).refresh()).toMatchObject({ capBytes: 7, capFixed: false, hideAddress: false })
})

test('where the browser refuses, a choice holds for the page', async () => {
  globalThis.indexedDB.open = () => {
    throw new DOMException('denied', 'SecurityError')
  }
  const site = new SiteStorage(() => {})
  await site.hideAddress(true)
  expect(await site.refresh()).toMatchObject({ available: false, hideAddress: true })
})
