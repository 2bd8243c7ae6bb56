import { expect, it } from 'vitest'
import type { BusyApi } from './testing/busy-worker.ts'
import { openWorkerThread } from './worker-thread.ts'

it('tells that a thread died before it was open', async () => {
  await expect(openWorkerThread(new URL('./no-such-module.ts', import.meta.url), undefined)).rejects.toThrow('no-such-module.ts')
})

it('ends a thread only when nothing is under way in it', async () => {
  const { remote, close } = await openWorkerThread<BusyApi, undefined>(new URL('./testing/busy-worker.ts', import.meta.url), undefined)
  const worked = remote.work().then(() => 'the work ended first')
  const closed = close().then(() => 'the thread was ended first')
  expect(await Promise.race([worked, closed])).toBe('the work ended first')
  await closed
})
