import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sampleSnapshot } from '../presentation/sample-run.ts'
import { INITIAL_SITE_STATE } from '../storage/site-storage.ts'
import { messages } from './messages.ts'
import { networkView } from './network-view.ts'

test('every result has words, and what does not work has something to do', () => {
  const reached = fc.constantFrom('works' as const, 'blocked' as const, 'not_offered' as const, 'unknown' as const)
  fc.assert(
    fc.property(fc.record({ direct: fc.constantFrom('works' as const, 'blocked' as const), stun: reached, turn_udp: reached, turn_tcp: reached }), fc.constantFrom('online' as const, 'offline' as const), (reachability, connection) => {
      const { ways } = networkView(sampleSnapshot({ reachability, connection }))
      expect(ways).toHaveLength(5)
      for (const { text, reachedLabel } of ways!) {
        expect(text).toMatch(/\.$/)
        expect(reachedLabel).not.toBe('')
      }
    })
  )
})

test('nothing is claimed before the check, or while it lasts', () => {
  expect(networkView(sampleSnapshot())).toMatchObject({ ways: null, checking: false })
  expect(networkView(sampleSnapshot({ reachability: 'checking' }))).toMatchObject({ ways: null, checking: true })
})

test('the address can be hidden while the tab is stopped, unless the address of the page says so', () => {
  const running = { state: 'generating', reason: null } as const
  expect(networkView(sampleSnapshot())).toMatchObject({ canChange: true, note: messages.network.meaning, notice: null })
  expect(networkView(sampleSnapshot({}, running))).toMatchObject({ canChange: false, note: messages.network.whileRunning })
  expect(networkView(sampleSnapshot({ site: { ...INITIAL_SITE_STATE, hideAddress: true, addressFixed: true } }))).toMatchObject({ hideAddress: true, canChange: false, note: messages.network.fixed })
  expect(networkView(sampleSnapshot({}, { ...running, linking: 'none' })).notice).toBe(messages.network.noRelay)
})
