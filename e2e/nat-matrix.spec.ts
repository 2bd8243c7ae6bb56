import { expect, test } from '@playwright/test'
import { hasCoturn } from '#signaling-server/testing/coturn.ts'
import { NAT_KINDS, type NatKind } from '../lab/nat-rules.ts'
import { natLabLacks } from '../lab/requirements.ts'
import { NatStand, ROUNDS, type KindPair, type Offer, type Share, type TabPair } from './nat-stand.ts'

/** Tabs behind every kind of NAT, each with each: which way they reach each other, and that they get every version. */

const lacking = natLabLacks() ?? (hasCoturn ? undefined : 'coturn is not installed (Debian: apt-get install coturn)')
if (lacking !== undefined) console.warn(`SKIPPED, tabs behind NATs: ${lacking}`)
test.skip(lacking !== undefined, lacking)
test.describe.configure({ timeout: 300_000 })

type Way = 'direct' | 'turn_udp' | 'turn_tcp'

let stand: NatStand
let pairs: TabPair[] = []
const found: [pair: KindPair, way: string][] = []

test.beforeAll(async () => {
  test.setTimeout(300_000)
  stand = await NatStand.open()
})

test.afterEach(async () => {
  const info = test.info()
  if (info.status !== info.expectedStatus) for (const pair of pairs) console.log(await pair.describe())
  for (const pair of pairs) await pair.close()
  pairs = []
})

test.afterAll(async () => {
  console.log(matrix())
  await stand?.close()
})

/** One after the other, so that links are made while little else is going on. */
async function openPairs(round: number, offer: Offer, share: Share): Promise<void> {
  for (const kinds of ROUNDS[round]!) pairs.push(await stand.openPair(kinds, offer, share))
}

/** Where the mapping that a server sees is of no use to others, and those others hear nobody whom they have not addressed. */
function canLinkDirectly([one, other]: KindPair): boolean {
  if (one === 'udp_blocked' || other === 'udp_blocked') return false
  const isDeaf = (kind: NatKind): boolean => kind === 'port_restricted' || kind === 'symmetric'
  return !(one === 'symmetric' && isDeaf(other)) && !(other === 'symmetric' && isDeaf(one))
}

function expectedWay(kinds: KindPair): Way {
  if (canLinkDirectly(kinds)) return 'direct'
  return kinds.includes('udp_blocked') ? 'turn_tcp' : 'turn_udp'
}

/** Where one end goes by a relay of its own, the other may only see that it talks to a relay. */
function wayOf({ paths }: TabPair): string {
  if (paths.length < 2 || paths.includes(undefined)) return 'none'
  for (const relay of ['turn_tcp', 'turn_udp'] as const) if (paths.includes(relay)) return relay
  return [...new Set(paths)].join(' and ')
}

const PATIENCE = { timeout: 120_000 }
const TITLES = ['its own kind', 'the next kind', 'the kind after the next']
/** Of each way that there is, the first round has a pair already: the others only when they are asked for. */
const TESTED = TITLES.slice(0, process.env['MURMURATION_NAT_MATRIX'] === undefined ? 1 : TITLES.length)

for (const [round, title] of TESTED.entries()) {
  test(`with a TURN server every kind of NAT links with ${title}, and a version passes from tab to tab`, async () => {
    await openPairs(round, 'turn', 'whole')
    await Promise.all(pairs.map(expectLinked))
  })
}

async function expectLinked(pair: TabPair): Promise<void> {
  const message = pair.kinds.join(' and ')
  const linked = (): unknown => ({ way: wayOf(pair), blocked: pair.paths.filter((_, side) => pair.kinds[side] === 'udp_blocked') })
  await expect.poll(linked, { ...PATIENCE, message }).toEqual({ way: expectedWay(pair.kinds), blocked: pair.kinds.filter(kind => kind === 'udp_blocked').map(() => 'turn_tcp') })
  found.push([pair.kinds, expectedWay(pair.kinds)])
  const versions = (): unknown => pair.statuses.map(({ version }) => version)
  await expect.poll(versions, { ...PATIENCE, message }).toEqual([0, 0])
  const passed = (): number => pair.statuses.reduce((sum, { bytesFromPeers }) => sum + bytesFromPeers, 0)
  const before = passed()
  // What one of them has of the origin the other has of it, unless the machine stood still meanwhile: then it is so with the next one.
  for (let version = 1; passed() === before; version++) {
    await pair.publish(version)
    await expect.poll(versions, { ...PATIENCE, message }).toEqual([version, version])
  }
}

for (const [round, title] of TESTED.entries()) {
  test(`without one, halves of a model behind every kind of NAT and ${title} are linked, or relayed by the server, and get every version`, async () => {
    await openPairs(round, 'stun', 'half')
    await Promise.all(pairs.map(expectServed))
  })
}

async function expectServed(pair: TabPair): Promise<void> {
  const message = pair.kinds.join(' and ')
  const isLinked = canLinkDirectly(pair.kinds)
  const path = isLinked ? 'direct' : 'socket'
  const ways = (): unknown => ({ paths: pair.paths, pipelines: pair.pipelines.map(({ open, relayed }) => ({ open, relayed })) })
  await expect.poll(ways, { ...PATIENCE, message }).toEqual({ paths: [path, path], pipelines: [{ open: true, relayed: isLinked ? [] : [0, 1] }] })
  await pair.publish(1)
  await expect.poll(() => pair.pipelines.map(({ open, versions }) => open && versions), { ...PATIENCE, message }).toEqual([[1, 0]])
  // The origin's by HTTP are all that they can have.
  if (!isLinked) expect(pair.statuses.map(({ bytesFromPeers }) => bytesFromPeers), message).toEqual([0, 0])
}

/** @returns what was found with a TURN server, as a table in Markdown */
function matrix(): string {
  const rows = NAT_KINDS.map(row => {
    const cells = NAT_KINDS.map(column => found.find(([kinds]) => kinds.toSorted().join() === [row, column].toSorted().join())?.[1] ?? '')
    return `| ${[row, ...cells].join(' | ')} |`
  })
  return [`| ${['', ...NAT_KINDS].join(' | ')} |`, `|${'---|'.repeat(NAT_KINDS.length + 1)}`, ...rows].join('\n')
}
