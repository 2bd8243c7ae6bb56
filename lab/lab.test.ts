import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { openLab, type Lab, type LabOptions } from './lab.ts'
import { listNamespaces } from './namespaces.ts'
import { labLacks } from './requirements.ts'
import { ownNamespaces } from './testing/own-namespaces.ts'

const PROBE = fileURLToPath(new URL('testing/udp-probe.mjs', import.meta.url))
const PORT = 9000
/** IPv4 and UDP. */
const HEADER_BYTES = 28

const lacking = labLacks()
if (lacking !== undefined) console.warn(`SKIPPED, the network lab's tests: ${lacking}`)

interface Arrival {
  readonly number: number
  readonly at: number
}

let lab: Lab
afterEach(() => lab.close())

async function open(nodes: LabOptions['nodes']): Promise<void> {
  lab = await openLab({ nodes })
}

async function start(node: string, command: 'listen' | 'echo'): Promise<AsyncIterator<string>> {
  const probe = lab.spawn(node, process.execPath, [PROBE, command, String(PORT)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: probe.stdout! })[Symbol.asyncIterator]()
  expect((await lines.next()).value).toBe('ready')
  return lines
}

/** @returns what arrives at the node, as it comes */
async function listen(node: string): Promise<AsyncIterator<Arrival>> {
  const lines = await start(node, 'listen')
  return (async function* () {
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      const [number, at] = line.value.split(' ').map(Number)
      yield { number: number!, at: at! }
    }
  })()
}

async function take(arrivals: AsyncIterator<Arrival>, count: number): Promise<Arrival[]> {
  const taken: Arrival[] = []
  while (taken.length < count) taken.push((await arrivals.next()).value as Arrival)
  return taken
}

function send(from: string, to: string, count: number, bytes: number): Promise<string> {
  return lab.run(from, process.execPath, [PROBE, 'send', lab.address(to), String(PORT), String(count), String(bytes - HEADER_BYTES)])
}

/** Pings until one is back in less than `withinMs`: others may have waited for the processor. @returns the shortest round trip of all, in milliseconds */
async function roundTrip(from: string, to: string, withinMs: number): Promise<number> {
  let shortest = Infinity
  while (shortest >= withinMs) {
    const printed = await lab.run(from, process.execPath, [PROBE, 'ping', lab.address(to), String(PORT), '20'])
    shortest = Math.min(shortest, ...printed.trim().split('\n').map(Number))
  }
  return shortest
}

/** Too long for a busy machine at 4 ms a packet: it stood still, and what came meanwhile was noticed late. */
const STANDSTILL_MS = 150

/** @returns whether the times of the arrivals tell of the network */
function isUndisturbed(arrivals: readonly Arrival[]): boolean {
  return arrivals.every(({ at }, index) => index === 0 || at - arrivals[index - 1]!.at < STANDSTILL_MS)
}

/** @returns packets per second over half of the arrivals, the median of all such halves: a packet that was noticed late counts little */
function rate(arrivals: readonly Arrival[]): number {
  const half = arrivals.length >> 1
  const spans = arrivals.slice(half).map(({ at }, index) => at - arrivals[index]!.at)
  return (1000 * half) / spans.toSorted((x, y) => x - y)[spans.length >> 1]!
}

describe.skipIf(lacking !== undefined)('the emulated network', () => {
  test('a round trip takes the delays of both ends, there and back', async () => {
    await open({ a: { delayMs: 5 }, b: { delayMs: 20 }, c: {} })
    await start('b', 'echo')
    await start('c', 'echo')
    expect(await roundTrip('a', 'b', 60)).toBeGreaterThanOrEqual(50)
    expect(await roundTrip('a', 'c', 20)).toBeGreaterThanOrEqual(10)
  })

  test.each([
    ['uplink', { uplinkMbit: 2 }, {}],
    ['downlink', {}, { downlinkMbit: 2 }]
  ])('the %s sends as many bytes a second as it says, headers included, and in their order', async (_, a, b) => {
    await open({ a: { ...a, queueBytes: 2_000_000 }, b: { ...b, queueBytes: 2_000_000, delayMs: 10 } })
    const arrivals = await listen('b')
    let arrived: Arrival[]
    do {
      await send('a', 'b', 500, 1000)
      arrived = await take(arrivals, 500)
      expect(arrived.map(({ number }) => number)).toEqual(Array.from({ length: 500 }, (_, index) => index))
    } while (!isUndisturbed(arrived))
    expect(rate(arrived)).toBeGreaterThan(240)
    expect(rate(arrived)).toBeLessThan(260)
  })

  test('a rate that is changed holds for what is waiting', async () => {
    await open({ a: { queueBytes: 1_000_000 }, b: {} })
    const arrivals = await listen('b')
    let rest: Arrival[]
    do {
      await lab.change('a', { uplinkMbit: 0.1 })
      await send('a', 'b', 300, 1000)
      await take(arrivals, 2)
      await lab.change('a', { uplinkMbit: 2 })
      rest = (await take(arrivals, 298)).slice(1)
    } while (!isUndisturbed(rest))
    expect(rate(rest)).toBeGreaterThan(240)
    expect(rate(rest)).toBeLessThan(260)
  })

  test('packets are lost as often as it says, and only those that the node sends', async () => {
    await open({ a: { lossPercent: 10 }, b: {} })
    await send('a', 'b', 4000, 100)
    await send('b', 'a', 1000, 100)
    const { a, b } = await lab.counters()
    expect(a!.sentPackets).toBeGreaterThanOrEqual(4000)
    // Six standard deviations; and the answers of closed ports are among the packets of both.
    expect(Math.abs(a!.lostPackets / a!.sentPackets - 0.1)).toBeLessThan(6 * Math.sqrt((0.1 * 0.9) / a!.sentPackets))
    expect(b!.lostPackets).toBe(0)
  })

  test('a queue holds no more than it says; what does not fit is dropped, and every packet is accounted for', async () => {
    // A packet a second, so that few leave before the last has come to the queue, however long that takes.
    await open({ a: { uplinkMbit: 0.008, queueBytes: 20_000 }, b: {} })
    const arrivals = await listen('b')
    await lab.change('a', { delayMs: 1 })
    await expect(lab.change('a', { queueBytes: 5000, uplinkMbit: -1 })).rejects.toThrow(RangeError)
    await send('a', 'b', 100, 1000)
    await lab.change('a', { uplinkMbit: 1 })
    const [first] = await take(arrivals, 1)
    expect(first!.number).toBe(0)
    await expect.poll(async () => (await lab.counters())['b']!.receivedPackets).toBeGreaterThanOrEqual(20)
    await expect
      .poll(async () => {
        const { a, b } = await lab.counters()
        return a!.sentPackets - a!.uplinkDrops - b!.receivedPackets
      })
      .toBe(0)
    const { a } = await lab.counters()
    expect(a!.sentPackets).toBe(100)
    expect(a!.uplinkDrops).toBeGreaterThan(50)
    expect(a!.uplinkPeakBytes).toBe(20_000)
  })

  test('a node that is cut off hears nothing and says nothing until it is joined again', async () => {
    await open({ a: {}, b: {} })
    const arrivals = await listen('b')
    await lab.change('b', { cut: true })
    await send('a', 'b', 3, 100)
    await lab.change('b', { cut: false })
    await lab.change('a', { cut: true })
    await send('a', 'b', 5, 100)
    await lab.change('a', { cut: false })
    await send('a', 'b', 1, 200)
    expect((await take(arrivals, 1))[0]!.number).toBe(0)
    const { a, b } = await lab.counters()
    expect([a!.cutPackets, b!.cutPackets, b!.receivedPackets]).toEqual([5, 3, 1])
  })
})

describe.skipIf(lacking !== undefined)('a lab', () => {
  test('ends the programs of a node that is killed, and of all when it closes; nothing is left', async () => {
    await open({ a: {}, b: {} })
    const [killed, closed] = ['a', 'b'].map(node => once(lab.spawn(node, 'sleep', ['1000']), 'exit'))
    expect(await ownNamespaces()).toHaveLength(2)
    await lab.kill('a')
    expect(await killed).toEqual([null, 'SIGKILL'])
    await lab.close()
    expect(await closed).toEqual([null, 'SIGKILL'])
    expect(await ownNamespaces()).toEqual([])
  })

  test('that died is removed with its programs when the next one opens', async () => {
    const dying = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('testing/dying-lab.ts', import.meta.url))], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(dying.stdout, 'data')
    const isItsOwn = (namespace: string): boolean => namespace.startsWith(`murmuration-lab-${dying.pid}-`)
    expect((await listNamespaces()).filter(isItsOwn)).toHaveLength(1)
    const died = once(dying, 'exit')
    dying.kill('SIGKILL')
    await died
    await open({})
    expect((await listNamespaces()).filter(isItsOwn)).toEqual([])
  })

  test('says in one line what cannot be, and goes on as it was', async () => {
    await open({ a: { uplinkMbit: 8 } })
    await expect(lab.change('a', { uplinkMbit: -1 })).rejects.toThrow("uplink_mbit must be a number from 0 to 100000, not '-1'")
    await expect(lab.change('a', { lossPercent: 101 })).rejects.toThrow("loss_percent must be a number from 0 to 100, not '101'")
    await expect(lab.change('a', { speed: 1 } as object)).rejects.toThrow("'speed' is not a setting")
    await expect(lab.add('a', {})).rejects.toThrow('the lab has a node "a" already')
    await expect(lab.add('a b', {})).rejects.toThrow('"a b" is no name for a node')
    await expect(lab.add('late', { delayMs: Number.NaN })).rejects.toThrow("delay_ms must be a number from 0 to 100000, not 'NaN'")
    expect(() => lab.address('b')).toThrow('the lab has no node "b"; it has a')
    await lab.add('late', { delayMs: 1 })
    expect(await lab.run('late', 'ip', ['-br', 'address', 'show', 'wan0'])).toContain(lab.address('late'))
    await expect(lab.run('late', 'false')).rejects.toThrow('Command failed')
  })
})
