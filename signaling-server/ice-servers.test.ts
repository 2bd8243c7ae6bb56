import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { peerName } from '#shared/testing/swarm-fixtures.ts'
import { iceOptionsFault, iceServersFor, NO_ICE_SERVERS, TURN_CREDENTIAL_MS, turnCredential, type IceOptions } from './ice-servers.ts'
import { hasCoturn, startCoturn, type Coturn } from './testing/coturn.ts'
import { askForAllocation } from './testing/turn-client.ts'

const SECRET = 'a secret that coturn knows, too'
const NOW = Date.UTC(2026, 0, 1)

test('the user name says until when, at most an hour ahead; the password is an HMAC over it', () => {
  const { username, credential } = turnCredential('north', peerName(1), NOW)
  expect(username).toBe(`${NOW / 1000 + 3600}:${peerName(1)}`)
  // As OpenSSL makes it: printf %s NAME | openssl dgst -sha1 -hmac north -binary | base64
  expect(turnCredential('north', 'a'.repeat(32), 0)).toEqual({ username: `3600:${'a'.repeat(32)}`, credential: 'jc2wsGqVWDDr/bTWus9JMBYpIKM=' })
  expect(turnCredential('south', peerName(1), NOW).credential).not.toBe(credential)
})

test('STUN servers are named as they are, TURN servers with a credential of the peer', () => {
  const servers = iceServersFor({ stun: ['stun:s.example:3478'], turn: ['turn:t.example:3478', 'turns:t.example:5349?transport=tcp'], turnSecret: SECRET }, peerName(1), NOW)
  const credential = turnCredential(SECRET, peerName(1), NOW)
  expect(servers).toEqual([{ urls: 'stun:s.example:3478' }, { urls: 'turn:t.example:3478', ...credential }, { urls: 'turns:t.example:5349?transport=tcp', ...credential }])
})

test.each<[string, Partial<IceOptions>, RegExp]>([
  ['nothing at all', {}, /^nothing is wrong$/],
  ['all of it', { stun: ['stun:s.example'], turn: ['turn:t.example:3478?transport=udp', 'turns:[::1]:5349'], turnSecret: SECRET }, /^nothing is wrong$/],
  ['an address of another kind', { stun: ['https://s.example'] }, /^--stun: https:\/\/s\.example is not/],
  ['a TURN address with a user', { turn: ['turn:me@t.example'], turnSecret: SECRET }, /^--turn: turn:me@t\.example is not/],
  ['TURN without a secret', { turn: ['turn:t.example'] }, /^--turn needs --turn-secret-file/],
  ['a secret without TURN', { turnSecret: SECRET }, /of no use without --turn/],
  ['a short secret', { turn: ['turn:t.example'], turnSecret: 'short' }, /at least 16 characters/],
  ['too many', { stun: Array.from({ length: 9 }, () => 'stun:s.example') }, /at most 8 addresses/]
])('%s', (_, options, line) => {
  const fault = iceOptionsFault({ ...NO_ICE_SERVERS, ...options }, 8)
  expect(fault ?? 'nothing is wrong').toMatch(line)
})

describe.skipIf(!hasCoturn)('a real coturn', () => {
  let coturn: Coturn

  beforeEach(async () => {
    coturn = await startCoturn(SECRET)
  })

  afterEach(() => coturn.stop())

  test('accepts a fresh credential, and refuses one that has ended, one for another name and one of another secret', async () => {
    const now = Date.now()
    const fresh = turnCredential(SECRET, peerName(1), now)
    expect(await askForAllocation(coturn.port, fresh)).toBe('allocated')
    expect(await askForAllocation(coturn.port, turnCredential(SECRET, peerName(1), now - TURN_CREDENTIAL_MS - 1000))).toBe(401)
    expect(await askForAllocation(coturn.port, { ...fresh, username: turnCredential(SECRET, peerName(1), now + 1000).username })).toBe(401)
    expect(await askForAllocation(coturn.port, turnCredential('another secret of sufficient length', peerName(1), now))).toBe(401)
  })
})
