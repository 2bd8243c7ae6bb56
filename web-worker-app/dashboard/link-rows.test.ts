import { expect, test } from 'vitest'
import type { LinkStatus } from '#shared/protocol/peer-status.ts'
import { PEER_A, PEER_B, PEER_SPARE, sampleFeed } from '../presentation/sample-run.ts'
import { LINKS_SHOWN, linksView } from './link-rows.ts'

const withPaths = (paths: readonly (readonly [string, LinkStatus[]])[]) => ({ ...sampleFeed, peers: paths.map(([id, links]) => ({ ...sampleFeed.peers[0]!, id, status: { ...sampleFeed.peers[0]!.status, paths: links } })) })
const link = (peer: string, path: LinkStatus['path'], bytesSent = 0): LinkStatus => ({ peer, path, roundTripMs: null, bytesSent, bytesReceived: 0 })

test('a link that both ends tell of is one row, told by the end that knows its relay', () => {
  expect(linksView(sampleFeed)).toEqual({
    rows: [{ id: `${PEER_A}-${PEER_B}`, from: 'bbbbbb', to: 'aaaaaa', path: 'turn_tcp', pathLabel: 'TURN relay over TCP', roundTrip: '40 ms', sent: '4.0 MB', received: '94.0 kB' }],
    hidden: 0
  })
  const reversed = withPaths([[PEER_B, [link(PEER_A, 'turn_udp', 7)]], [PEER_A, [link(PEER_B, 'turn')]]])
  expect(linksView(reversed).rows).toMatchObject([{ path: 'turn_udp', sent: '7 B' }])
})

test('a tab that tells of nothing has no rows, and a link of which one end tells has one', () => {
  expect(linksView({ ...sampleFeed, peers: [] })).toEqual({ rows: [], hidden: 0 })
  expect(linksView(withPaths([[PEER_A, []], [PEER_B, [link(PEER_SPARE, 'socket')]]])).rows).toMatchObject([{ to: 'dddddd', path: 'socket', roundTrip: '–' }])
})

test('no more rows than a person reads', () => {
  const many = withPaths(Array.from({ length: LINKS_SHOWN + 5 }, (_, n) => [n.toString(16).padStart(32, '0'), [link(PEER_A, 'direct')]]))
  expect(linksView(many)).toMatchObject({ hidden: 5 })
})
