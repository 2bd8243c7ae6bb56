import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const hasCoturn = spawnSync('turnserver', ['--help'], { stdio: 'ignore' }).error === undefined
if (!hasCoturn) console.warn('coturn is not installed (Debian: apt-get install coturn): no link is made by a TURN relay')

const USER = { username: 'volunteer', credential: 'of this test' }

export interface TurnServer {
  /** As a tab is told of it. */
  readonly udp: { readonly urls: string; readonly username: string; readonly credential: string }
  readonly tcp: TurnServer['udp']
  readonly stun: { readonly urls: string }
  stop(): Promise<void>
}

/** A real TURN server on this machine, for both transports. */
export async function startTurnServer(): Promise<TurnServer> {
  const folder = mkdtempSync(join(tmpdir(), 'coturn-'))
  const port = await freePort()
  const options = ['--lt-cred-mech', `--user=${USER.username}:${USER.credential}`, '--realm=murmuration', '--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', `--listening-port=${port}`, '--allow-loopback-peers']
  const quiet = ['-n', '--no-tls', '--no-dtls', '--no-cli', '--log-file=/dev/null', `--pidfile=${join(folder, 'pid')}`, `--userdb=${join(folder, 'users')}`]
  const coturn = spawn('turnserver', [...options, ...quiet], { stdio: 'ignore' })
  while (!(await accepts(port))) if (coturn.exitCode !== null) throw new Error(`turnserver ended with ${coturn.exitCode}`)
  return {
    udp: { urls: `turn:127.0.0.1:${port}?transport=udp`, ...USER },
    tcp: { urls: `turn:127.0.0.1:${port}?transport=tcp`, ...USER },
    stun: { urls: `stun:127.0.0.1:${port}` },
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
