import { expect, it } from 'vitest'
import { openWorkerThread } from './worker-thread.ts'

it('tells that a thread died before it was open', async () => {
  await expect(openWorkerThread(new URL('./no-such-module.ts', import.meta.url), undefined)).rejects.toThrow('no-such-module.ts')
})
