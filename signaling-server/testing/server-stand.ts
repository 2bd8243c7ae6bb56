/** A server on a folder of its own, and those who connect to it; for tests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Handshake } from '#shared/protocol/handshake.ts'
import { publishedVersion } from '#shared/testing/swarm-fixtures.ts'
import { startSignalingServer, type SignalingServer, type SignalingServerOptions } from '../server.ts'
import { LoopbackClient, openRun, publish, TOKEN } from './loopback.ts'

export class ServerStand {
  /** Holds `dist`, the page, and `models`: empty at first. */
  readonly root: string
  server: SignalingServer
  readonly clients: LoopbackClient[] = []

  static async start(): Promise<ServerStand> {
    const root = await mkdtemp(join(tmpdir(), 'signaling-server-'))
    return new ServerStand(root, await start(root))
  }

  private constructor(root: string, server: SignalingServer) {
    this.root = root
    this.server = server
  }

  /** Another server in its place, which knows nothing. */
  async restart(change?: Partial<SignalingServerOptions>): Promise<void> {
    await this.server.close()
    await this.startAgain(change)
  }

  /** Once the one before is closed. */
  async startAgain(change: Partial<SignalingServerOptions> = {}): Promise<void> {
    this.server = await start(this.root, change)
  }

  client(auth: Handshake = { role: 'volunteer' }): LoopbackClient {
    const created = new LoopbackClient(this.server.url, auth)
    this.clients.push(created)
    return created
  }

  /** Its run is open, and the base published. */
  async openedTrainer(): Promise<LoopbackClient> {
    const trainer = this.client({ role: 'trainer', token: TOKEN })
    await openRun(trainer)
    await publish(this.server.url, trainer, publishedVersion(0))
    return trainer
  }

  /** Lines of `/metrics`. */
  async metrics(): Promise<string[]> {
    return (await (await fetch(`${this.server.url}/metrics`)).text()).split('\n')
  }

  /** HTTP status of the first chunk of a version at the origin. */
  async chunkStatus(version: number): Promise<number> {
    const [hash] = publishedVersion(version).chunks.keys()
    return (await fetch(`${this.server.url}/chunks/${hash}`)).status
  }

  async close(): Promise<void> {
    for (const { socket } of this.clients) socket.disconnect()
    await this.server.close()
    await rm(this.root, { recursive: true })
  }
}

function start(root: string, change: Partial<SignalingServerOptions> = {}): Promise<SignalingServer> {
  return startSignalingServer({ port: 0, host: '127.0.0.1', page: join(root, 'dist'), models: join(root, 'models'), trainerToken: TOKEN, ...change })
}
