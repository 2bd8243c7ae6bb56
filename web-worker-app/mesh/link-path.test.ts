import { expect, test } from 'vitest'
import { linkPath } from './link-path.ts'

type Report = Parameters<typeof linkPath>[0]

const report = (candidates: { local: object; remote: object }): Report =>
  new Map<string, Report extends ReadonlyMap<string, infer Stats> ? Stats : never>([
    ['T', { type: 'transport', selectedCandidatePairId: 'P2', bytesSent: 150, bytesReceived: 400 }],
    ['P1', { type: 'candidate-pair', state: 'succeeded', nominated: true, localCandidateId: 'L0', remoteCandidateId: 'R', bytesSent: 30, bytesReceived: 50 }],
    ['P2', { type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R', bytesSent: 120, bytesReceived: 340, currentRoundTripTime: 0.0125 }],
    ['L0', { type: 'local-candidate', candidateType: 'relay', relayProtocol: 'tcp' }],
    ['L', { type: 'local-candidate', ...candidates.local }],
    ['R', { type: 'remote-candidate', ...candidates.remote }]
  ])

const host = { candidateType: 'host' }

test.each([
  ['direct', host, { candidateType: 'prflx' }],
  ['turn_udp', { candidateType: 'relay', relayProtocol: 'udp' }, host],
  ['turn_tcp', { candidateType: 'relay', relayProtocol: 'tcp' }, { candidateType: 'relay' }],
  ['turn_tls', { candidateType: 'relay', relayProtocol: 'tls' }, host],
  ['turn', host, { candidateType: 'relay' }]
])('%s', (path, local, remote) => {
  expect(linkPath(report({ local, remote }))).toEqual({ path, roundTripMs: 12.5, bytesSent: 150, bytesReceived: 400 })
})

test('without a transport the nominated pair counts, and the bytes of all pairs; without either there is no path yet', () => {
  const all = new Map(report({ local: host, remote: host }))
  all.delete('T')
  expect(linkPath(all)).toMatchObject({ path: 'turn_tcp', roundTripMs: null, bytesSent: 150, bytesReceived: 390 })
  all.delete('P1')
  expect(linkPath(all)).toBeUndefined()
  expect(linkPath(new Map())).toBeUndefined()
})
