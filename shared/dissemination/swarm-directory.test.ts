import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { answers, createTestbed, FORGET_AFTER_MS, ICE_SERVERS, identificationOf, RENEW_AFTER_MS, told } from '../testing/directory-testbed.ts'
import { runs } from '../testing/property-runs.ts'
import { describedRun, emptyFeed, peerKey, peerName, publishedVersion, RUN, signedJoin, WAITING, type PublishedVersion } from '../testing/swarm-fixtures.ts'
import { signingKeyFrom } from '../crypto/signature.ts'
import { LIMITS } from '../protocol/limits.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import type { GrantNeed, JoinRequest } from '../protocol/volunteer-messages.ts'
import { chunksOf, manifestHash } from './manifest.ts'
import type { DirectoryEffect } from './swarm-state.ts'

const base = publishedVersion(0)
const first = publishedVersion(1)

describe('joining', () => {
  test('is refused until there is a run with a model, and then possible for every page that waits', () => {
    const testbed = createTestbed()
    expect(answers(testbed.join(1))).toMatchObject([{ code: 'unknown_run' }])
    testbed.open()
    expect(answers(testbed.join(1))).toMatchObject([{ code: 'no_trainer' }])
    expect(told(testbed.publish(base), 'run_described')).toEqual([[peerName(1), describedRun()]])
    expect(answers(testbed.join(1))).toMatchObject([{ kind: 'welcome', base: { manifest: base.manifest }, newest: { manifest: base.manifest } }])
  })

  test('is refused while a restarted server knows only the base of a run that has come further', () => {
    const testbed = createTestbed()
    testbed.open({ newest: 1 })
    expect(told(testbed.publish(base), 'run_described')).toEqual([])
    expect(answers(testbed.join(1))).toMatchObject([{ code: 'no_trainer' }])
    expect(told(testbed.publish(first), 'run_described')).toEqual([[peerName(1), describedRun()]])
    expect(answers(testbed.join(1))).toMatchObject([{ kind: 'welcome', newest: { manifest: first.manifest } }])
  })

  test('a page that comes later sees the run and its last feed before it joins', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    testbed.step({ kind: 'run_feed', connection: 'trainer', message: { run: RUN, feed: emptyFeed(3) } })
    const effects = testbed.connect('page')
    expect(told(effects, 'run_described')).toEqual([['page', describedRun()]])
    expect(told(effects, 'run_feed')).toEqual([['page', emptyFeed(3)]])
  })

  test('another protocol and another run are refused', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    const terms = identificationOf(peerName(2))
    expect(answers(testbed.join(2, { message: signedJoin(2, terms, { protocol: PROTOCOL_VERSION + 1 }) }))).toMatchObject([{ code: 'unsupported_protocol' }])
    expect(answers(testbed.join(2, { message: signedJoin(2, terms, { run: 'other' }) }))).toMatchObject([{ code: 'unknown_run' }])
  })

  test('every page is given a challenge of its own; who only watches is given none', () => {
    const testbed = createTestbed()
    expect(told(testbed.connect('page'), 'challenge')).toEqual([['page', { challenge: identificationOf('page').challenge }]])
    const watching = testbed.step({ kind: 'connected', connection: 'dashboard', handshake: { role: 'observer' }, identification: identificationOf('dashboard') })
    expect(told(watching, 'challenge')).toEqual([])
  })

  test.each<[string, (honest: JoinRequest) => JoinRequest]>([
    ['a signature for another connection', () => signedJoin(1, identificationOf('another'))],
    ['a signature for another server', () => signedJoin(1, { ...identificationOf('thief'), server: 'elsewhere.example' })],
    ['a signature for another run', honest => ({ ...honest, run: RUN })],
    ['another’s key', honest => ({ ...honest, publicKey: peerKey(2).publicKey })],
    ['a key that is none', honest => ({ ...honest, publicKey: 'f'.repeat(64) })],
    ['a changed signature', honest => ({ ...honest, signature: 'f'.repeat(128) })]
  ])('%s is refused, and who is here stays', (_, forge) => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    for (const index of [1, 2]) testbed.join(index)
    const effects = testbed.join(1, { connection: 'thief', message: forge(signedJoin(1, identificationOf('thief'))) })
    expect(answers(effects)).toMatchObject([{ kind: 'refused', code: 'bad_signature' }])
    expect(effects).not.toContainEqual(expect.objectContaining({ kind: 'close' }))
    expect([...testbed.directory.runs.get(RUN)!.peers.values()].map(({ connection }) => connection)).toEqual([peerName(1), peerName(2)])
  })

  test('a peer hears of its ICE servers when it joins, and all are given others together, again and again', () => {
    const testbed = createTestbed({ renewIceServersAfterMs: RENEW_AFTER_MS })
    testbed.open()
    testbed.publish(base)
    expect(answers(testbed.join(1))).toMatchObject([{ iceServers: ICE_SERVERS }])
    testbed.wait(RENEW_AFTER_MS - 1)
    testbed.join(2)
    const renewal = [1, 2].map(index => ({ kind: 'renew_ice_servers', to: peerName(index), peer: peerName(index) }))
    const renewed = (ms: number): DirectoryEffect[] => testbed.wait(ms).filter(({ kind }) => kind === 'renew_ice_servers')
    expect(renewed(1)).toEqual(renewal)
    expect(renewed(RENEW_AFTER_MS - 1)).toEqual([])
    expect(renewed(1)).toEqual(renewal)
    for (const index of [1, 2]) testbed.step({ kind: 'disconnected', connection: peerName(index) })
    expect(renewed(2 * RENEW_AFTER_MS)).toEqual([])
    testbed.join(1)
    expect(renewed(RENEW_AFTER_MS)).toEqual(renewal.slice(0, 1))
  })

  test('is refused once the server is about to close; who is here goes on', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    for (const index of [1, 2]) testbed.join(index)
    testbed.step({ kind: 'drain' })
    expect(answers(testbed.join(3))).toMatchObject([{ kind: 'refused', code: 'draining' }])
    expect(told(testbed.step({ kind: 'signal', connection: peerName(1), message: { to: peerName(2), data: 'offer' } }), 'signal')).toHaveLength(1)
  })

  test('a link that both ends still have stays as it is; one that only one of them has is made again', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    const rejoin = (index: number, linked: number[]): unknown[][] => {
      const message = signedJoin(index, identificationOf(peerName(index)), { linked: linked.map(peerName) })
      return told(testbed.join(index, { message }), 'introduction').map(([to, payload]) => [to, (payload as { peer: string }).peer])
    }
    expect(rejoin(1, [2, 3])).toEqual([])
    expect(rejoin(2, [1])).toEqual([])
    expect(told(testbed.step({ kind: 'signal', connection: peerName(1), message: { to: peerName(2), data: 'candidate' } }), 'signal')).toHaveLength(1)
    expect(rejoin(3, [])).toEqual([
      [peerName(1), peerName(3)],
      [peerName(3), peerName(1)],
      [peerName(2), peerName(3)],
      [peerName(3), peerName(2)]
    ])
    expect(rejoin(4, [])).toHaveLength(6)
  })

  test('of pages whose server is gone nobody hears, their links stay, and who does not come back makes room once its link is lost', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    for (const index of [1, 2, 3]) testbed.join(index)
    const cutOff = [1, 2].flatMap(index => testbed.step({ kind: 'cut_off', connection: peerName(index) }))
    expect(told(cutOff, 'peer_gone')).toEqual([])
    expect(told(cutOff, 'peer_left').map(([, payload]) => payload)).toEqual([1, 2].map(index => ({ run: RUN, peer: peerName(index) })))
    const returned = testbed.join(1, { connection: 'again', message: signedJoin(1, identificationOf('again'), { linked: [peerName(3)] }) })
    expect(told(returned, 'introduction')).toEqual([])
    expect(told(testbed.step({ kind: 'signal', connection: 'again', message: { to: peerName(3), data: 'candidate' } }), 'signal')).toHaveLength(1)
    for (const index of [4, 5, 6, 7, 8, 9, 10]) testbed.join(index)
    const { peers } = testbed.directory.runs.get(RUN)!
    const third = peers.get(peerName(3))!
    expect([third.claimed.size, third.links.size]).toEqual([1, 7])
    testbed.step({ kind: 'link_lost', connection: peerName(3), message: { peer: peerName(2) } })
    expect([third.claimed.size, third.links.size]).toEqual([0, 8])
  })

  test('a page that comes back before its old socket is found dead keeps the links that it still has', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    for (const index of [1, 2, 3]) testbed.join(index)
    const effects = testbed.join(1, { connection: 'again', message: signedJoin(1, identificationOf('again'), { linked: [peerName(2)] }) })
    expect(told(effects, 'peer_gone')).toEqual([[peerName(3), { peer: peerName(1) }]])
    expect(told(effects, 'introduction').map(([to]) => to)).toEqual([peerName(3), 'again'])
  })

  test('the same page on a new socket replaces its old one', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    testbed.join(1)
    const effects = testbed.join(1, { connection: 'again' })
    expect(effects).toContainEqual({ kind: 'close', connection: peerName(1) })
    expect(answers(effects)).toMatchObject([{ kind: 'welcome' }])
    testbed.step({ kind: 'disconnected', connection: peerName(1) })
    expect([...testbed.directory.runs.get(RUN)!.peers.keys()]).toEqual([peerName(1)])
  })

  test('a newcomer is introduced to eight peers and initiates; links of others make way; signals pass between the introduced only', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    for (let index = 1; index <= 9; index++) testbed.join(index)
    const effects = testbed.join(10)
    const introductions = told(effects, 'introduction')
    const initiated = introductions.filter(([to]) => to === peerName(10)).map(([, payload]) => payload as { peer: string })
    expect(initiated).toHaveLength(8)
    expect(introductions).toHaveLength(16)
    // Four links, each of which both ends give up.
    expect(told(effects, 'peer_gone')).toHaveLength(8)
    const [friend] = initiated
    expect(told(testbed.step({ kind: 'signal', connection: peerName(10), message: { to: friend!.peer, data: 'offer' } }), 'signal')).toEqual([[friend!.peer, { from: peerName(10), data: 'offer' }]])
    const stranger = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(peerName).find(peer => initiated.every(({ peer: known }) => known !== peer))!
    expect(testbed.step({ kind: 'signal', connection: peerName(10), message: { to: stranger, data: 'offer' } })).toMatchObject([{ kind: 'refuse', refusal: { code: 'unknown_peer' } }])
    // A lost link brings another introduction, never to the one that was lost.
    const replacement = told(testbed.step({ kind: 'link_lost', connection: peerName(10), message: { peer: friend!.peer } }), 'introduction')
    expect(replacement.filter(([to]) => to === peerName(10)).map(([, payload]) => (payload as { peer: string }).peer)).not.toContain(friend!.peer)
    expect(testbed.directory.runs.get(RUN)!.peers.get(peerName(10))!.links).not.toContain(friend!.peer)
  })

  test('who leaves is gone for its links and for the trainer', () => {
    const testbed = createTestbed()
    testbed.open()
    testbed.publish(base)
    testbed.join(1)
    testbed.join(2)
    const effects = testbed.step({ kind: 'disconnected', connection: peerName(1) })
    expect(told(effects, 'peer_gone')).toEqual([[peerName(2), { peer: peerName(1) }]])
    expect(told(effects, 'peer_left')).toEqual([['trainer', { run: RUN, peer: peerName(1) }]])
  })
})

describe('publishing', () => {
  test('names what is missing, announces when all is there, and shares out what is to be taken from the origin', () => {
    const testbed = createTestbed()
    testbed.open()
    const lacking = testbed.publish(base, 'trainer', true)
    expect(lacking).toContainEqual({ kind: 'expect_chunks', run: RUN, chunks: chunksOf(base.manifest) })
    expect(answers(lacking)).toEqual([{ kind: 'chunks_missing', hashes: [...base.chunks.keys()] }])
    expect(answers(testbed.publish(base))).toEqual([{ kind: 'announced' }])
    testbed.join(1)
    testbed.hold(1, base)
    expect(answers(testbed.join(2))).toMatchObject([{ kind: 'welcome', base: { manifest: base.manifest } }])
    const wanted = (index: number, { manifest }: PublishedVersion, need: GrantNeed = 'share') => answers(testbed.step({ kind: 'origin_wanted', connection: peerName(index), message: { version: manifest.version, manifestHash: manifestHash(manifest), need, from: null } }))
    // Of somebody who has it all, others get it.
    expect(wanted(2, base)).toEqual([{ kind: 'origin_granted', chunks: [] }])
    expect(wanted(2, base, 'alone')).toEqual([{ kind: 'origin_granted', chunks: [...base.chunks.keys()].map((_, place) => place) }])
    expect(told(testbed.publish(first), 'policy_announced')).toEqual([
      [peerName(1), { manifest: first.manifest }],
      [peerName(2), { manifest: first.manifest }]
    ])
    // One chunk: whoever asks first takes it, and who leaves gives it back.
    expect([wanted(1, first), wanted(2, first)]).toEqual([[{ kind: 'origin_granted', chunks: [0] }], [{ kind: 'origin_granted', chunks: [] }]])
    testbed.step({ kind: 'leave', connection: peerName(1) })
    expect(wanted(2, first)).toEqual([{ kind: 'origin_granted', chunks: [0] }])
    expect(wanted(2, publishedVersion(7))).toMatchObject([{ kind: 'refused', code: 'stale_version' }])
    expect(wanted(1, first)).toMatchObject([{ kind: 'refused', code: 'not_joined' }])
    testbed.join(1)
    expect(told(testbed.publish(first), 'policy_announced')).toEqual([])
  })

  test('keeps the base and the newest S + 2 versions', () => {
    const testbed = createTestbed()
    testbed.open()
    const versions = [0, 1, 2, 3, 4].map(version => publishedVersion(version))
    const retained = versions.map(version => testbed.publish(version)).at(-1)!
    const kept = [0, 2, 3, 4].flatMap(version => chunksOf(versions[version]!.manifest).map(chunk => chunk.hash))
    expect(retained.flatMap(effect => (effect.kind === 'retain_chunks' ? effect.chunks.map(chunk => chunk.hash) : [])).toSorted()).toEqual(kept.toSorted())
  })

  test('refuses what is not the trainer’s to publish, out of order, forged or too large', () => {
    const testbed = createTestbed({ originBytesPerRun: base.manifest.groups[0]!.chunks[0]!.size * 2 })
    testbed.open()
    expect(answers(testbed.publish(first))).toMatchObject([{ code: 'malformed', detail: 'version 1 before the base model, version 0' }])
    testbed.publish(base)
    testbed.connect('page')
    expect(answers(testbed.publish(first, 'page'))).toMatchObject([{ code: 'unknown_run' }])
    expect(answers(testbed.publish(publishedVersion(1, { key: signingKeyFrom(new Uint8Array(32)) })))).toMatchObject([{ code: 'bad_signature' }])
    expect(answers(testbed.publish(publishedVersion(1, { floats: 2048 })))).toMatchObject([{ code: 'storage_full' }])
    testbed.publish(first)
    expect(answers(testbed.publish(publishedVersion(0, { content: 5, floats: 64 })))).toMatchObject([{ code: 'stale_version' }])
    expect(answers(testbed.open({ connection: 'rival', change: { publicKey: 'a'.repeat(64) } }))).toMatchObject([{ code: 'run_taken' }])
  })

  test('a returning trainer finds its peers and their wishes, and nobody is told again what they know', () => {
    const testbed = createTestbed()
    testbed.open()
    for (const version of [base, first, publishedVersion(2)]) testbed.publish(version)
    testbed.join(1)
    testbed.step({ kind: 'work_wanted', connection: peerName(1), message: { run: RUN, version: 2, rollouts: 8 } })
    testbed.step({ kind: 'peer_status', connection: peerName(1), message: WAITING })
    testbed.step({ kind: 'disconnected', connection: 'trainer' })
    const submission = testbed.step({ kind: 'rollouts_submitted', connection: peerName(1), message: { run: RUN, lease: 'l', rollouts: [] } })
    expect(answers(submission)).toMatchObject([{ code: 'no_trainer' }])

    const reopened = testbed.open({ connection: 'trainer again', newest: 2 })
    expect(reopened.filter(effect => effect.kind === 'tell' && effect.to === 'trainer again')).toMatchObject([
      { event: 'peer_joined' },
      { event: 'peer_status', payload: { status: WAITING } },
      { event: 'work_wanted', payload: { peer: peerName(1), rollouts: 8 } }
    ])
    expect(told(testbed.publish(base, 'trainer again'), 'policy_announced')).toEqual([])
    expect(told(testbed.publish(publishedVersion(2), 'trainer again'), 'policy_announced')).toEqual([])
  })

  test('a manifest that is published again after newer ones is told to nobody, not even to those who never heard of it', () => {
    const testbed = createTestbed()
    testbed.open()
    for (const version of [base, first, publishedVersion(2)]) testbed.publish(version)
    testbed.join(1)
    const again = testbed.publish(first)
    expect(answers(again)).toEqual([{ kind: 'announced' }])
    expect(told(again, 'policy_announced')).toEqual([])
    expect(answers(testbed.join(2))).toMatchObject([{ newest: { manifest: { version: 2 } } }])
    // The origin has dropped version 1 by now.
    for (const version of [3, 4, 5]) testbed.publish(publishedVersion(version))
    expect(answers(testbed.publish(first))).toMatchObject([{ kind: 'refused', code: 'stale_version', detail: 'version 1 after version 5' }])
  })

  test.each([
    ['an older version', 1, publishedVersion(1)],
    ['an older version that has become another', 1, publishedVersion(1, { content: 77 })],
    ['the base', 0, base]
  ])('a trainer that returns to %s tells those that know newer ones', (_, newest, policy) => {
    const testbed = createTestbed()
    testbed.open()
    for (const version of [base, first, publishedVersion(2)]) testbed.publish(version)
    testbed.join(1)
    testbed.hold(1, first)
    testbed.hold(1, publishedVersion(2))
    testbed.step({ kind: 'disconnected', connection: 'trainer' })
    testbed.open({ connection: 'trainer again', newest })
    expect(answers(testbed.join(2))).toMatchObject([{ newest: { manifest: { version: newest } } }])
    testbed.step({ kind: 'disconnected', connection: peerName(2) })
    const announced = [base, policy, policy].flatMap(version => told(testbed.publish(version, 'trainer again'), 'policy_announced'))
    expect(announced).toEqual([[peerName(1), { manifest: policy.manifest }]])
    const next = publishedVersion(newest + 1, { content: 88 })
    expect(told(testbed.publish(next, 'trainer again'), 'policy_announced')).toEqual([[peerName(1), { manifest: next.manifest }]])
    expect(answers(testbed.join(2))).toMatchObject([{ newest: { manifest: next.manifest } }])
  })
})

test('leases reach their peer, submissions their trainer, feeds everybody who watches the run', () => {
  const testbed = createTestbed()
  testbed.open()
  testbed.publish(base)
  testbed.join(1)
  testbed.connect('page')
  const lease = { id: 'l1', run: RUN, version: 0, manifestHash: manifestHash(base.manifest), prompts: [], maxTokens: 4, durationMs: 1000 }
  expect(told(testbed.step({ kind: 'lease_granted', connection: 'trainer', message: { peer: peerName(1), lease } }), 'lease_granted')).toEqual([[peerName(1), lease]])
  expect(testbed.step({ kind: 'lease_granted', connection: 'trainer', message: { peer: peerName(2), lease } })).toMatchObject([{ refusal: { code: 'unknown_peer' } }])
  expect(testbed.step({ kind: 'lease_granted', connection: 'page', message: { peer: peerName(1), lease } })).toMatchObject([{ refusal: { code: 'unknown_peer' } }])
  const submission = { run: RUN, lease: 'l1', rollouts: [] }
  expect(testbed.step({ kind: 'rollouts_submitted', connection: peerName(1), message: submission })).toEqual([
    { kind: 'forward_submission', to: 'trainer', request: { peer: peerName(1), submission } }
  ])
  expect(answers(testbed.step({ kind: 'rollouts_submitted', connection: 'page', message: submission }))).toMatchObject([{ code: 'not_joined' }])
  expect(testbed.step({ kind: 'peer_status', connection: 'page', message: WAITING })).toMatchObject([{ refusal: { code: 'not_joined' } }])
  const shown = testbed.step({ kind: 'run_feed', connection: 'trainer', message: { run: RUN, feed: emptyFeed() } })
  expect(told(shown, 'run_feed').map(([to]) => to)).toEqual([peerName(1), 'page'])
  expect(testbed.step({ kind: 'run_feed', connection: 'page', message: { run: RUN, feed: emptyFeed() } })).toMatchObject([{ refusal: { code: 'unknown_run' } }])
})

const action = fc.oneof(
  fc.record({ do: fc.constantFrom('join', 'disconnect', 'cut_off', 'leave', 'hold', 'lose', 'lose', 'publish', 'reopen', 'wish', 'forget'), who: fc.nat(4), whom: fc.nat(4) }),
  fc.record({ do: fc.constant('join'), who: fc.nat(15), whom: fc.nat(15) })
)

test('whatever happens, links are symmetric, within bounds and among those present, and every asked input has one answer', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: 'max' }), actions => {
      const testbed = createTestbed()
      let version = 0
      testbed.open()
      testbed.publish(base)
      for (const { do: what, who, whom } of actions) {
        const connection = peerName(who)
        let effects: DirectoryEffect[] = []
        if (what === 'join') effects = testbed.join(who)
        if (what === 'disconnect') effects = testbed.step({ kind: 'disconnected', connection })
        if (what === 'cut_off') effects = testbed.step({ kind: 'cut_off', connection })
        if (what === 'leave') effects = testbed.step({ kind: 'leave', connection })
        if (what === 'hold') effects = testbed.hold(who, base)
        if (what === 'lose') effects = testbed.step({ kind: 'link_lost', connection, message: { peer: peerName(whom) } })
        if (what === 'wish') effects = testbed.step({ kind: 'work_wanted', connection, message: { run: RUN, version: 0, rollouts: whom } })
        if (what === 'publish') effects = testbed.publish(publishedVersion(++version, { floats: 4 }))
        if (what === 'reopen') effects = testbed.open()
        if (what === 'forget') {
          testbed.step({ kind: 'disconnected', connection: 'trainer' })
          testbed.wait(FORGET_AFTER_MS)
          testbed.open()
          testbed.publish(base)
        }
        expect(answers(effects)).toHaveLength(what === 'join' || what === 'publish' || what === 'reopen' ? 1 : 0)
        const { peers } = testbed.directory.runs.get(RUN)!
        const unsound = [...peers.values()].filter(
          peer =>
            testbed.directory.connections.get(peer.connection)?.peer !== peer ||
            peer.links.size > LIMITS.linksPerPeer ||
            [...peer.links].some(linked => peers.get(linked)?.links.has(peer.id) !== true)
        )
        expect(unsound).toEqual([])
        expect([...testbed.directory.connections.values()].filter(({ peer }) => peer !== undefined && peers.get(peer.id) !== peer)).toEqual([])
        expect(effects.filter(effect => effect.kind === 'tell' && !testbed.directory.connections.has(effect.to))).toEqual([])
      }
    }),
    runs(40)
  )
})
