import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openNatLab, type NatLab } from './nat-lab.ts'
import { NAT_KINDS, type NatKind } from './nat-rules.ts'
import { publishPort } from './published-port.ts'
import { natLabLacks } from './requirements.ts'
import { ownNamespaces } from './testing/own-namespaces.ts'

const PROBE = fileURLToPath(new URL('testing/udp-probe.mjs', import.meta.url))

const lacking = natLabLacks()
if (lacking !== undefined) console.warn(`SKIPPED, the NAT lab's tests: ${lacking}`)

interface Endpoint {
  readonly address: string
  readonly port: number
}

interface Heard {
  readonly from: Endpoint
  readonly text: string
}

/** A UDP socket in a node. Whatever is sent on the lab's one bridge arrives in its order. */
class Talker {
  readonly #probe: ChildProcess
  readonly #heard: Heard[] = []
  #sent = 0
  #changed = (): void => {}

  private constructor(probe: ChildProcess) {
    this.#probe = probe
  }

  static async start(lab: NatLab, node: string, { address = '0.0.0.0', port = 0 }: Partial<Endpoint> = {}): Promise<Talker> {
    const probe = lab.spawn(node, process.execPath, [PROBE, 'talk', address, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] })
    const talker = new Talker(probe)
    await new Promise<void>(resolve => createInterface({ input: probe.stdout! }).on('line', line => (line === 'ready' ? resolve() : talker.#take(line))))
    return talker
  }

  /** Resolves once it has left the socket. */
  async say(to: Endpoint, text: string): Promise<void> {
    const before = this.#sent
    this.#probe.stdin!.write(`${to.address} ${to.port} ${text}\n`)
    await this.#until(() => this.#sent > before)
  }

  /** @returns what has come up to the packet with this text, that one last */
  async hearUntil(text: string): Promise<readonly Heard[]> {
    const place = (): number => this.#heard.findIndex(heard => heard.text === text)
    await this.#until(() => place() >= 0)
    return this.#heard.splice(0, place() + 1)
  }

  #take(line: string): void {
    if (line === 'sent') this.#sent++
    else {
      const [address, port, text] = line.split(' ')
      this.#heard.push({ from: { address: address!, port: Number(port) }, text: text! })
    }
    this.#changed()
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise(resolve => {
      this.#changed = () => {
        if (holds()) resolve()
      }
      this.#changed()
    })
  }
}

describe.skipIf(lacking !== undefined)('the NAT lab', () => {
  let lab: NatLab
  /** Each address of the server with each of two ports; hosts speak to the first of them first. */
  let places: readonly Endpoint[]
  let server: readonly Talker[]

  const hostOf = (kind: NatKind, side: 0 | 1 = 0): string => `${kind}_${side}`

  beforeAll(async () => {
    const hosts = NAT_KINDS.flatMap(kind => ([0, 1] as const).map(side => [hostOf(kind, side), kind]))
    lab = await openNatLab({ hosts: Object.fromEntries(hosts) as Record<string, NatKind> })
    places = lab.serverAddresses.flatMap(address => [4000, 4001].map(port => ({ address, port })))
    server = await Promise.all(places.map(place => Talker.start(lab, 'server', place)))
  })

  afterAll(() => lab.close())

  /** @returns as whom the server hears the host at the place */
  async function mapping(host: Talker, place: number): Promise<Endpoint> {
    await host.say(places[place]!, 'hello')
    return (await server[place]!.hearUntil('hello')).at(-1)!.from
  }

  /** The host speaks to the first place only. @returns from which places it then hears */
  async function admitted(host: Talker): Promise<Endpoint[]> {
    const seen = await mapping(host, 0)
    for (const talker of server.toReversed()) await talker.say(seen, 'answer')
    await server[0]!.say(seen, 'end')
    return (await host.hearUntil('end')).filter(({ text }) => text === 'answer').map(({ from }) => from)
  }

  test.each([
    ['open', 1, 4],
    ['full_cone', 1, 4],
    ['port_restricted', 1, 1],
    ['symmetric', 4, 1]
  ] as const)('%s: four places see %i mappings of one socket, and %i of them are heard when one was spoken to', async (kind, mappings, heard) => {
    const host = await Talker.start(lab, hostOf(kind))
    const seen = [await mapping(host, 0), await mapping(host, 1), await mapping(host, 2), await mapping(host, 3)]
    expect(new Set(seen.map(({ address }) => address))).toEqual(new Set([lab.publicAddress(hostOf(kind))]))
    const ports = new Set(seen.map(({ port }) => port)).size
    // Drawn by chance from some sixty thousand, two may be the same once in a long while.
    expect(ports === mappings || (mappings === 4 && ports === 3), `${ports} mappings`).toBe(true)
    expect(await admitted(await Talker.start(lab, hostOf(kind)))).toEqual(places.slice(0, heard).toReversed())
  })

  test('where UDP is blocked TCP passes', async () => {
    const host = await Talker.start(lab, hostOf('udp_blocked'))
    for (const place of places) await host.say(place, 'blocked')
    const listener = "require('node:net').createServer(socket => socket.end('hello')).listen(4000, () => console.log('ready'))"
    const tcp = lab.spawn('server', process.execPath, ['-e', listener], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(tcp.stdout!, 'data')
    const client = `require('node:net').connect(4000, '${lab.address('server')}').pipe(process.stdout)`
    expect(await lab.run(hostOf('udp_blocked'), process.execPath, ['-e', client])).toBe('hello')
    const witness = await Talker.start(lab, hostOf('open'))
    for (const [index, place] of places.entries()) {
      await witness.say(place, 'end')
      expect(await server[index]!.hearUntil('end')).toHaveLength(1)
    }
  })

  /**
   * Both speak to where the server sees the other, the first of them before it can be heard, and answer whoever they hear from: what ICE does.
   * @returns whether they have heard each other
   */
  async function meet(first: NatKind, second: NatKind): Promise<boolean> {
    const ends = [await Talker.start(lab, hostOf(first, 0)), await Talker.start(lab, hostOf(second, 1))] as const
    const seen = [await mapping(ends[0], 0), await mapping(ends[1], 0)] as const
    const heard: [Heard[], Heard[]] = [[], []]
    const listen = async (): Promise<void> => {
      for (const side of [0, 1] as const) {
        await server[0]!.say(seen[side], 'end')
        heard[side].push(...(await ends[side].hearUntil('end')).filter(({ text }) => text !== 'end'))
      }
    }
    for (const side of [0, 1, 0] as const) await ends[side].say(seen[1 - side]!, 'check')
    await listen()
    for (const side of [0, 1] as const) for (const { from } of heard[side]) await ends[side].say(from, 'answer')
    await listen()
    return heard.every(packets => packets.length > 0)
  }

  test.each([
    ['open', 'open', true],
    ['open', 'full_cone', true],
    ['open', 'port_restricted', true],
    ['open', 'symmetric', true],
    ['full_cone', 'full_cone', true],
    ['full_cone', 'port_restricted', true],
    ['full_cone', 'symmetric', true],
    ['port_restricted', 'port_restricted', true],
    ['port_restricted', 'symmetric', false],
    ['symmetric', 'port_restricted', false],
    ['symmetric', 'symmetric', false]
  ] as const)('%s and %s, told by a server where the other is seen, meet: %s', async (first, second, can) => {
    expect(await meet(first, second)).toBe(can)
  })

  test('what the server sends to an address at home is lost without an error, as on the internet', async () => {
    await server[0]!.say({ address: lab.address(hostOf('symmetric')), port: 4000 }, 'lost')
    await server[0]!.say(places[1]!, 'end')
    expect(await server[1]!.hearUntil('end')).toHaveLength(1)
  })

  test('a server outside of it hears its hosts, and they hear all that it answers', async () => {
    const outside = createServer((request, response) => request.pipe(response)).listen(0, '127.0.0.1')
    await once(outside, 'listening')
    const origin = await publishPort(lab, 'server', (outside.address() as AddressInfo).port)
    const client = `const echo = await fetch('${origin}', { method: 'POST', body: 'x'.repeat(1_000_000) }); console.log((await echo.text()).length)`
    expect(await lab.run(hostOf('symmetric'), process.execPath, ['--input-type=module', '-e', client])).toBe('1000000\n')
    outside.close()
  })

  test('says what cannot be, and leaves nothing behind', async () => {
    const before = await ownNamespaces()
    await expect(openNatLab({ hosts: { a: 'symmetric', 'a b': 'open' } })).rejects.toThrow('"a b" is no name for a node')
    expect(await ownNamespaces()).toEqual(before)
    expect(() => lab.address('c')).toThrow('the lab has no node "c"; it has server, open_0, open_1, full_cone_0-router')
  })
})
