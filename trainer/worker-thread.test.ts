import { expect, it } from 'vitest'
import { startWorkerThread } from './worker-thread.ts'

it('tells that a thread died', async () => {
  const thread = startWorkerThread(new URL('./no-such-module.ts', import.meta.url))
  await expect(thread.failed).rejects.toThrow('no-such-module.ts')
})
