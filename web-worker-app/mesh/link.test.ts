import { expect, test } from 'vitest'
import { LIMITS } from '#shared/protocol/limits.ts'
import { BULK_BYTES_AHEAD, Link, type LinkChannels, type LinkListener } from './link.ts'
import { memoryChannels, type MemoryChannel } from './memory-channel.ts'
import { Uplink } from './uplink.ts'

/** What only channels in memory can be made to do; the rest of the contract is in `e2e/link.spec.ts`. */

const piece = { hash: 'ab'.repeat(32), offset: 0, sentAt: 0, payload: new Uint8Array(LIMITS.pieceBytes) }

/** A link that writes down what it hears. */
function linkOver(channels: LinkChannels): { link: Link; heard: string[] } {
  const heard: string[] = []
  const listener: LinkListener = {
    up: () => void heard.push('up'),
    down: wasUp => void heard.push(wasUp ? 'down' : 'never up'),
    frame: frame => void heard.push(frame.kind),
    stageFragment: () => void heard.push('fragment')
  }
  return { link: new Link(channels, new Uplink(() => performance.now()), listener), heard }
}

function openOne(channels: LinkChannels<MemoryChannel>, others: LinkChannels<MemoryChannel>): void {
  for (const name of ['control', 'bulk', 'stages'] as const) channels[name].open(others[name])
}

const settled = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 20))

test('a hello that nobody was there to hear is said again when the other end says its own', async () => {
  const { ends: [a, b] } = memoryChannels()
  const first = linkOver(a)
  openOne(a, b)
  await settled()
  first.link.sendMessage({ kind: 'ping', id: 1 })
  expect(first.heard).toEqual([])
  openOne(b, a)
  const second = linkOver(b)
  second.link.start()
  await expect.poll(() => [first.heard, second.heard]).toEqual([['up'], ['up']])
})

test('a channel that closed on its way here ends the link', () => {
  const { ends: [a] } = memoryChannels()
  a.bulk.close()
  const { link, heard } = linkOver(a)
  link.start()
  expect(heard).toEqual(['never up'])
})

test('what comes before both ends listen ends the link', async () => {
  const { ends: [a, b] } = memoryChannels()
  const { heard } = linkOver(a)
  a.stages.open(b.stages)
  b.stages.open(a.stages)
  b.stages.send(Uint8Array.of(1))
  await expect.poll(() => heard).toEqual(['never up'])
})

test('whoever asks for more pieces than any credit allows is left', async () => {
  const { ends: [a, b], connect } = memoryChannels()
  const [first, second] = [linkOver(a), linkOver(b)]
  connect()
  await expect.poll(() => [first.heard, second.heard]).toEqual([['up'], ['up']])
  for (let count = 0; count < 300; count++) first.link.sendPiece(piece)
  await expect.poll(() => [first.heard, second.heard.at(-1)]).toEqual([['up', 'down'], 'down'])
})

test('hidden states of one link are not held up by pieces of another', async () => {
  // No time passes: hidden states of a link that seems stuck would not hold the others up.
  const uplink = new Uplink(() => 0)
  const order: string[] = []
  const pairs = ['pieces', 'states'].map(name => {
    const { ends: [a, b], connect } = memoryChannels()
    const quiet: LinkListener = { up: () => undefined, down: () => undefined, frame: () => undefined, stageFragment: () => undefined }
    const link = new Link(a, uplink, quiet)
    const far = new Link(b, new Uplink(() => performance.now()), { ...quiet, frame: () => void order.push(name), stageFragment: () => void order.push(name) })
    connect()
    return { link, far }
  })
  await expect.poll(() => pairs.every(({ link, far }) => link.isUp && far.isUp)).toBe(true)
  for (let count = 0; count < 200; count++) pairs[0]!.link.sendPiece(piece)
  for (let count = 0; count < 100; count++) pairs[1]!.link.sendStageFragment(new Uint8Array(LIMITS.pieceBytes))
  await expect.poll(() => order.length).toBe(300)
  const before = order.slice(0, order.lastIndexOf('states')).filter(name => name === 'pieces')
  expect(before.length).toBeLessThan(BULK_BYTES_AHEAD / LIMITS.pieceBytes + 2)
})

test('hidden states, and the piece they are behind, leave in as many bursts as they need: SCTP sends four packets for each message', async () => {
  const { ends: [a, b], connect } = memoryChannels()
  const messages: number[] = []
  b.stages.addEventListener('message', event => void messages.push((event as MessageEvent<ArrayBuffer>).data.byteLength))
  const [first, second] = [linkOver(a), linkOver(b)]
  connect()
  await expect.poll(() => first.link.isUp && second.link.isUp).toBe(true)
  first.link.sendStageFragment(new Uint8Array(4000))
  first.link.sendStageFragment(new Uint8Array(15_000))
  await expect.poll(() => messages).toEqual([4000, 15_000, 0, 0, 0])
  messages.length = 0
  first.link.sendPiece(piece)
  first.link.sendStageFragment(new Uint8Array(4000))
  // The piece of 8 kB is two bursts, of which the hidden state's own message is one.
  await expect.poll(() => messages).toEqual([4000, 0, 0])
  expect(second.heard.filter(name => name === 'fragment')).toHaveLength(3)
})
