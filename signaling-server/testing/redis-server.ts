import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'

export const hasRedis = spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).error === undefined
if (!hasRedis) console.warn('SKIPPED: redis-server is not installed (Debian: apt-get install redis-server): several servers behind one Redis are not tested')

/** A real Redis on a port and in a directory of its own, that keeps nothing. */
export class RedisServer {
  readonly port: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'redis-'))
  #process: ChildProcess | undefined

  static async start(): Promise<RedisServer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const redis = new RedisServer(port)
    await redis.startAgain()
    return redis
  }

  private constructor(port: number) {
    this.port = port
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** On the same port, knowing nothing. */
  async startAgain(): Promise<void> {
    const redis = spawn('redis-server', ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.#folder], { stdio: 'ignore' })
    this.#process = redis
    while (!(await this.#accepts())) if (redis.exitCode !== null) throw new Error(`redis-server ended with ${redis.exitCode}`)
  }

  /** Without warning. */
  async kill(): Promise<void> {
    const exited = once(this.#process!, 'exit')
    this.#process!.kill('SIGKILL')
    await exited
  }

  async stop(): Promise<void> {
    if (this.#process?.exitCode === null && this.#process.signalCode === null) await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #accepts(): Promise<boolean> {
    const socket = connect(this.port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return true
    } catch {
      return false
    } finally {
      socket.destroy()
    }
  }
}
