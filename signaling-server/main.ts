/** The signaling server as a process. stdout: one JSON line once it listens. stderr: its log, JSON lines. Exit 2: it could not start. */
import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { destination, pino } from 'pino'
import { LIMITS } from '#shared/protocol/limits.ts'
import { ClusterFault } from './cluster/redis-store.ts'
import { iceOptionsFault, type IceOptions } from './ice-servers.ts'
import { startSignalingServer, type SignalingServer } from './server.ts'

interface Flags {
  readonly port: number
  readonly host: string
  readonly page: string
  readonly models: string
  readonly stun: readonly string[]
  readonly turn: readonly string[]
  readonly turnSecretFile?: string
  readonly proxies: number
  readonly redis?: string
  readonly advertise?: string
}

const LISTEN_ADVICE = new Map<string, (flags: Flags) => string>([
  ['EADDRINUSE', ({ port, host }) => `port ${port} on ${host} is in use: stop what listens there, choose another with --port, or let --port 0 take a free one`],
  ['EACCES', ({ port, host }) => `port ${port} on ${host} may not be used by this account: choose one above 1023 with --port`],
  ['EADDRNOTAVAIL', noSuchAddress],
  ['ENOTFOUND', noSuchAddress]
])

const program = new Command('signaling-server')
  .description('Serves the page, the models and the chunks of policy versions, and brings trainers and tabs together.\nThe trainer token is read from MURMURATION_TRAINER_TOKEN, keys of the OpenAI-compatible API, separated by commas, from MURMURATION_API_KEYS.')
  .option('--port <number>', 'port to listen on; 0 takes any free one', parsePort, 8080)
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--page <directory>', 'the built page', 'dist')
  .option('--models <directory>', 'models, each in a directory of its own', 'public/models')
  .option('--stun <url...>', 'STUN servers that tabs shall use, e.g. stun:swarm.example:3478', [])
  .option('--turn <url...>', 'TURN servers, e.g. turn:swarm.example:3478?transport=udp; coturn with use-auth-secret', [])
  .option('--turn-secret-file <file>', "file with the TURN servers' static-auth-secret")
  .option('--proxies <number>', 'reverse proxies in front, which say in X-Forwarded-For for whom they ask', parseProxies, 0)
  .option('--redis <url>', 'share the swarm with other servers through this Redis, e.g. redis://127.0.0.1:6379; all of them need the same trainer token', parseRedis)
  .option('--advertise <url>', 'with --redis: where the other servers reach this one; default: where it listens', parseAdvertised)
  .configureOutput({ writeErr: text => process.stderr.write(text) })
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()

const flags = program.opts<Flags>()
const trainerToken = process.env['MURMURATION_TRAINER_TOKEN'] ?? ''
if (trainerToken.length < 16) fail('MURMURATION_TRAINER_TOKEN must be set to a secret of at least 16 characters, the same for the server and its trainers')
const apiKeys = (process.env['MURMURATION_API_KEYS'] ?? '').split(',').map(key => key.trim()).filter(key => key !== '')
if (apiKeys.some(key => key.length < 16)) fail('every key in MURMURATION_API_KEYS must have at least 16 characters')

const ice: IceOptions = { stun: flags.stun, turn: flags.turn, turnSecret: flags.turnSecretFile === undefined ? undefined : readSecret(flags.turnSecretFile) }
const iceFault = iceOptionsFault(ice, LIMITS.iceServers)
if (iceFault !== undefined) fail(iceFault)

if (flags.advertise !== undefined && flags.redis === undefined) fail('--advertise is of no use without --redis')
if (flags.redis !== undefined && flags.advertise === undefined && ['0.0.0.0', '::'].includes(flags.host)) fail(`--redis with --host ${flags.host} needs --advertise, the address at which the other servers reach this one, e.g. http://10.0.0.2:${flags.port}`)

const log = pino({ level: process.env['MURMURATION_LOG_LEVEL'] ?? 'info', base: null }, destination({ dest: 2, sync: true }))
const server = await start()
process.stdout.write(`${JSON.stringify({ event: 'listening', url: server.url })}\n`)
log.info({ event: 'listening', url: server.url })

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    log.info({ event: 'draining', signal })
    void server.close().then(() => process.exit(0))
  })
}

async function start(): Promise<SignalingServer> {
  try {
    const { redis, advertise } = flags
    const cluster = redis !== undefined && { cluster: { redis, ...(advertise !== undefined && { advertise }) } }
    return await startSignalingServer({ ...flags, trainerToken, apiKeys, ice, log, ...cluster })
  } catch (error) {
    if (error instanceof ClusterFault) return fail(error.message)
    const advice = LISTEN_ADVICE.get((error as NodeJS.ErrnoException).code ?? '')
    if (advice === undefined) throw error
    return fail(advice(flags))
  }
}

function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    return fail(`--turn-secret-file: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}): name a file with the static-auth-secret of the TURN server`)
  }
}

function noSuchAddress({ host }: Flags): string {
  return `${host} is not an address of this machine: choose another with --host, e.g. 127.0.0.1 or 0.0.0.0`
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535')
  return port
}

function parseProxies(text: string): number {
  if (!/^\d$/.test(text)) throw new InvalidArgumentError('a number of proxies is from 0 to 9')
  return Number(text)
}

function parseRedis(text: string): string {
  if (!URL.canParse(text) || !['redis:', 'rediss:'].includes(new URL(text).protocol)) throw new InvalidArgumentError('an address of Redis is redis://HOST:PORT, or rediss:// with TLS')
  return text
}

function parseAdvertised(text: string): string {
  if (!URL.canParse(text) || !['http:', 'https:'].includes(new URL(text).protocol)) throw new InvalidArgumentError('an address of a server is http://HOST:PORT')
  return new URL(text).origin
}

function fail(line: string): never {
  process.stderr.write(`signaling-server: ${line}\n`)
  process.exit(2)
}
