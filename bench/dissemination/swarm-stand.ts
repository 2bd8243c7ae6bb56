/** A swarm in the lab: a server that is the origin, and peers behind home uplinks. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildProcess } from 'node:child_process'
import { build } from 'vite'
import { ROOT } from '../../cli/child-process.ts'
import { openLab, type Lab, type NodeSettings } from '../../lab/lab.ts'
import type { Arrival } from './peer-api.ts'
import { openPeer, type PeerKind, type RemotePeer } from './swarm-peers.ts'
import type { SwarmAddresses } from './swarm-server.ts'

const SERVER = 'server'
/** Of the eight neighbours that everybody is given, so many make a swarm. */
const LINKS = 6
/** While peers start and link. */
const UNLIMITED: NodeSettings = { uplinkMbit: 0, downlinkMbit: 0, delayMs: 0, lossPercent: 0, queueBytes: 1_000_000, cut: false }

export interface NetworkCondition {
  readonly originMbit: number
  /** Of each peer; downlinks are unlimited. */
  readonly uplinksMbit: readonly number[]
  readonly roundTripMs: number
  readonly lossPercent: number
}

/** undefined: of a peer that was killed. */
export type Arrivals = readonly (Arrival | undefined)[]

export class SwarmStand {
  readonly #lab: Lab
  readonly #server: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #addresses: SwarmAddresses
  readonly #page: string
  readonly #peers: RemotePeer[] = []
  /** They outlive their peers. */
  readonly #nodes = new Set<string>()
  #versions = 0

  private constructor(lab: Lab, page: string, server: ChildProcess, lines: AsyncIterator<string>, addresses: SwarmAddresses) {
    this.#lab = lab
    this.#page = page
    this.#server = server
    this.#lines = lines
    this.#addresses = addresses
  }

  /** @throws UserError when this machine lacks something for the lab */
  static async start(): Promise<SwarmStand> {
    const lab = await openLab({ nodes: { [SERVER]: UNLIMITED } })
    try {
      const page = mkdtempSync(join(tmpdir(), 'murmuration-dissemination-'))
      await build({ root: ROOT, logLevel: 'error', build: { outDir: page, emptyOutDir: true, rollupOptions: { input: join(ROOT, 'bench/pages/dissemination.html') } } })
      const server = lab.spawn(SERVER, process.execPath, ['--import', 'tsx', fileURLToPath(new URL('swarm-server.ts', import.meta.url)), lab.address(SERVER), page], { stdio: ['pipe', 'pipe', 'inherit'] })
      const lines = createInterface({ input: server.stdout! })[Symbol.asyncIterator]()
      const { value, done } = await lines.next()
      if (done === true) throw new Error('the server ended before it listened')
      return new SwarmStand(lab, page, server, lines, JSON.parse(value) as SwarmAddresses)
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** Opens peers until there are so many, all linked. @param links false: everything comes from the origin */
  async openPeers(kind: PeerKind, count: number, links: boolean): Promise<void> {
    await this.#openNetwork()
    while (this.#peers.length < count) {
      const peer = await this.#openPeer(kind, this.#peers.length)
      await peer.call('join', links)
      // What it fetches after joining must not be counted in what is measured next.
      await peer.call('arrival', 0)
      await peer.call('arrival', this.#versions)
    }
    if (links) await Promise.all(this.#peers.map(peer => peer.call('linked', Math.min(LINKS, count - 1))))
  }

  async closePeers(): Promise<void> {
    await Promise.all(this.#peers.splice(0).map(peer => peer.close()))
  }

  /** Publishes the next version. @param killAfterMs one peer's process is ended so long after the announcement */
  async spread(condition: NetworkCondition, killAfterMs?: number): Promise<Arrivals> {
    await this.#shape(condition)
    const version = ++this.#versions
    const arrivals = this.#peers.map(peer => peer.call('arrival', version))
    const victim = killAfterMs === undefined ? undefined : this.#peers.length >> 1
    const settled = Promise.all(arrivals.map((arrival, index) => (index === victim ? arrival.catch(() => undefined) : arrival)))
    this.#server.stdin!.write(`${version}\n`)
    await this.#lines.next()
    if (killAfterMs !== undefined) setTimeout(() => void this.#lab.kill(this.#peers[victim!]!.node), killAfterMs)
    const result = await settled
    if (victim !== undefined) this.#peers.splice(victim, 1)
    return result.map((arrival, index) => (index === victim ? undefined : arrival))
  }

  /** As many bytes by WebTorrent, from a seed behind the origin's uplink to as many peers. */
  async spreadTorrent(kind: PeerKind, bytes: number, condition: NetworkCondition): Promise<Arrivals> {
    await this.#openNetwork()
    const { page, tracker } = this.#addresses
    const seed = await openPeer(this.#lab, kind, SERVER, page)
    try {
      const torrentFile = await seed.call('seed', bytes, tracker)
      for (const index of condition.uplinksMbit.keys()) await this.#openPeer(kind, index)
      await this.#shape(condition)
      return await Promise.all(this.#peers.map(peer => peer.call('download', torrentFile, tracker)))
    } finally {
      await seed.close()
      await this.closePeers()
    }
  }

  async close(): Promise<void> {
    await this.closePeers()
    await this.#lab.close()
    rmSync(this.#page, { recursive: true })
  }

  async #openPeer(kind: PeerKind, index: number): Promise<RemotePeer> {
    const node = `peer-${index}`
    if (!this.#nodes.has(node)) await this.#lab.add(node, UNLIMITED)
    this.#nodes.add(node)
    const peer = await openPeer(this.#lab, kind, node, this.#addresses.page)
    this.#peers.push(peer)
    return peer
  }

  async #openNetwork(): Promise<void> {
    for (const node of [SERVER, ...this.#nodes]) await this.#lab.change(node, UNLIMITED)
  }

  async #shape({ originMbit, uplinksMbit, roundTripMs, lossPercent }: NetworkCondition): Promise<void> {
    const common = { delayMs: roundTripMs / 4, queueBytes: 256_000 }
    await this.#lab.change(SERVER, { ...common, uplinkMbit: originMbit })
    for (const [index, { node }] of this.#peers.entries()) await this.#lab.change(node, { ...common, uplinkMbit: uplinksMbit[index]!, lossPercent })
  }
}
