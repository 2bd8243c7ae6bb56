import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IceOptions } from '../ice-servers.ts'

export const hasCoturn = spawnSync('turnserver', ['--help'], { stdio: 'ignore' }).error === undefined
if (!hasCoturn) console.warn('coturn is not installed (Debian: apt-get install coturn): no real STUN or TURN server takes part in the tests')

export interface Coturn {
  readonly port: number
  /** Addresses for volunteers. */
  readonly stun: string
  readonly udp: string
  readonly tcp: string
  /** As the signaling server is told of it. */
  readonly ice: IceOptions
  stop(): Promise<void>
}

/** Where it runs. */
export interface CoturnPlace {
  readonly address: string
  readonly spawn: (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess
  /** @returns whether somebody listens there */
  readonly accepts: (port: number) => Promise<boolean>
}

const LOOPBACK: CoturnPlace = { address: '127.0.0.1', spawn, accepts }

/** A real STUN and TURN server, for both transports, whose credentials `turnCredential` makes from this secret. */
export async function startCoturn(secret = 'a secret that coturn knows, too', place = LOOPBACK): Promise<Coturn> {
  const folder = mkdtempSync(join(tmpdir(), 'coturn-'))
  const port = await freePort()
  const options = ['--use-auth-secret', `--static-auth-secret=${secret}`, '--realm=murmuration', `--listening-ip=${place.address}`, `--relay-ip=${place.address}`, `--listening-port=${port}`, '--allow-loopback-peers']
  const quiet = ['-n', '--no-tls', '--no-dtls', '--no-cli', '--log-file=stdout', `--pidfile=${join(folder, 'pid')}`, `--userdb=${join(folder, 'users')}`]
  const coturn = place.spawn('turnserver', [...options, ...quiet], { stdio: 'ignore' })
  while (!(await place.accepts(port))) if (coturn.exitCode !== null) throw new Error(`turnserver ended with ${coturn.exitCode}`)
  const [stun, udp, tcp] = [`stun:${place.address}:${port}`, `turn:${place.address}:${port}?transport=udp`, `turn:${place.address}:${port}?transport=tcp`]
  return {
    port,
    stun,
    udp,
    tcp,
    ice: { stun: [stun], turn: [udp, tcp], turnSecret: secret },
    stop: async () => {
      const exited = once(coturn, 'exit')
      coturn.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true })
    }
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Taken and given back: for UDP and TCP alike, as far as one can know. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port')
  return address.port
}
