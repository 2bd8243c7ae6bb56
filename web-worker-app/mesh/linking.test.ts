import { expect, test } from 'vitest'
import { connectionConfig, kindOf, linkingFor } from './linking.ts'

const stun = { urls: 'stun:s.example:3478' }
const turn = { urls: 'turn:t.example:3478', username: 'u', credential: 'c' }

test('an address is hidden behind a relay, and without one there are no links', () => {
  expect(linkingFor(false, [stun])).toBe('any')
  expect(linkingFor(true, [stun, turn])).toBe('relayed')
  expect(linkingFor(true, [stun])).toBe('none')
  expect(connectionConfig('any', [stun, turn])).toEqual({ iceServers: [stun, turn] })
  expect(connectionConfig('relayed', [turn])).toEqual({ iceServers: [turn], iceTransportPolicy: 'relay' })
})

test.each([
  ['stun:s.example', 'stun'],
  ['stuns:s.example', 'stun'],
  ['turn:t.example', 'turn_udp'],
  ['turn:t.example:3478?transport=udp', 'turn_udp'],
  ['turn:t.example:3478?transport=tcp', 'turn_tcp'],
  ['turns:t.example:5349', 'turn_tcp']
])('%s is %s', (url, kind) => {
  expect(kindOf(url)).toBe(kind)
})
