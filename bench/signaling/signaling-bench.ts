/** One signaling server, as a process of its own, under the sockets of thousands of tabs. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { io, type Socket } from 'socket.io-client'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { describedRun, publishedVersion } from '#shared/testing/swarm-fixtures.ts'
import { Child } from '../../cli/child-process.ts'
import type { Benchmark, BenchmarkResult, Cell } from '../benchmark.ts'
import { quantile } from '../serve/load-figures.ts'
import { checkOpenFiles } from './open-files.ts'
import { sampleServer, watchServer, type ServerWindow } from './server-samples.ts'
import { makeKeys, TabSockets, type Delivery } from './tab-sockets.ts'

const IDLE = 5000
const ACTIVE = 1000
const SIGNALS_PER_SECOND = [500, 1000]
const WINDOW_SECONDS = 10
const TALK_SECONDS = 20
const SERVER_GRACE_MS = 20_000

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  checkOpenFiles(IDLE + ACTIVE)
  makeKeys(ACTIVE)
  const folder = mkdtempSync(join(tmpdir(), 'signaling-bench-'))
  const token = randomBytes(32).toString('hex')
  const server = new Child({
    name: 'signaling-server',
    file: 'signaling-server/main.ts',
    args: ['--port', '0', '--page', folder, '--models', folder],
    env: { MURMURATION_TRAINER_TOKEN: token, MURMURATION_LOG_LEVEL: 'warn' },
    logFile: join(folder, 'server.log')
  })
  const url = String((await server.waitForEvent(({ event }) => event === 'listening'))['url'])
  const trainer = io(url, { auth: { role: 'trainer', token }, transports: ['websocket'] })
  const tabs = new TabSockets(url)
  try {
    await openRun(url, trainer, token)
    const empty = await watchServer(url, WINDOW_SECONDS)
    const rows = [row('the trainer alone', 0, empty, empty)]
    await tabs.connect(IDLE + ACTIVE)
    log(`${IDLE + ACTIVE} sockets are connected`)
    const connected = await watchServer(url, WINDOW_SECONDS)
    rows.push(row('all connected, none joined', IDLE + ACTIVE, connected, empty))

    const before = await sampleServer(url)
    const joinSeconds = await tabs.join(ACTIVE)
    const joinCpuMs = (((await sampleServer(url)).cpuSeconds - before.cpuSeconds) / ACTIVE) * 1000
    log(`${ACTIVE} of them joined in ${joinSeconds.toFixed(1)} s`)
    const joined = await watchServer(url, WINDOW_SECONDS)
    rows.push(row(`${ACTIVE} joined, nobody speaks`, IDLE + ACTIVE, joined, empty))

    const talks: Delivery[] = []
    for (const rate of SIGNALS_PER_SECOND) {
      const [window, delivery] = await Promise.all([watchServer(url, TALK_SECONDS), tabs.talk(ACTIVE, rate, TALK_SECONDS)])
      talks.push(delivery)
      rows.push(row(`${ACTIVE} statuses and ${rate} signals a second`, IDLE + ACTIVE, window, empty, delivery))
      log(`${Math.round(delivery.perSecond)} signals a second: p99 ${quantile(delivery.ms, 0.99).toFixed(2)} ms`)
    }
    const [steady] = talks
    return {
      rows,
      headline: {
        sockets: IDLE + ACTIVE,
        residentKilobytesPerSocket: (joined.residentBytes - empty.residentBytes) / (IDLE + ACTIVE) / 1000,
        heapKilobytesPerSocket: (joined.heapBytes - empty.heapBytes) / (IDLE + ACTIVE) / 1000,
        signalP99Ms: quantile(steady!.ms, 0.99),
        signalsLost: talks.reduce((lost, { sent, ms }) => lost + sent - ms.length, 0),
        joinCpuMs
      },
      notes: [
        `one server and, in one other process, all tabs on the cores named above, over the loopback interface; signals of 1 kB between tabs that were introduced`,
        `delivery is from one tab's socket to the other's and includes what the process of the tabs is late itself`,
        `memory is the least of the samples of a window, and per socket beside the trainer alone`,
        `${ACTIVE} tabs joined one after the other in ${joinSeconds.toFixed(1)} s, with a signature each`
      ]
    }
  } finally {
    tabs.close()
    trainer.disconnect()
    await server.stop(SERVER_GRACE_MS)
    rmSync(folder, { recursive: true })
  }
}

async function openRun(url: string, trainer: Socket, token: string): Promise<void> {
  const base = publishedVersion(0)
  const ask = (event: string, payload: unknown): Promise<unknown> => trainer.timeout(30_000).emitWithAck(event, payload)
  await ask('run_opened', { protocol: PROTOCOL_VERSION, description: describedRun(), newest: 0, tokenizer: null })
  await ask('policy_published', { manifest: base.manifest })
  for (const [hash, body] of base.chunks) await fetch(`${url}/chunks/${hash}`, { method: 'PUT', headers: { authorization: `Bearer ${token}` }, body })
  const answer = (await ask('policy_published', { manifest: base.manifest })) as { readonly kind: string }
  if (answer.kind !== 'announced') throw new Error(`the run could not be opened: ${JSON.stringify(answer)}`)
}

function row(state: string, sockets: number, window: ServerWindow, empty: ServerWindow, delivery?: Delivery): Record<string, Cell> {
  const perSocket = (bytes: number): Cell => (sockets === 0 ? '' : bytes / sockets / 1000)
  const late = (fraction: number): Cell => (delivery === undefined ? '' : quantile(delivery.ms, fraction))
  return {
    state,
    sockets,
    'resident, MB': window.residentBytes / 1e6,
    'heap, MB': window.heapBytes / 1e6,
    'resident per socket, kB': perSocket(window.residentBytes - empty.residentBytes),
    'heap per socket, kB': perSocket(window.heapBytes - empty.heapBytes),
    'server, cores': window.cores,
    'delivery p50, ms': late(0.5),
    'p99, ms': late(0.99),
    'most, ms': late(1),
    'server late p99, ms': window.latenessMs,
    'tabs late p99, ms': delivery?.latenessMs ?? '',
    lost: delivery === undefined ? '' : delivery.sent - delivery.ms.length
  }
}

export const signalingBenchmark: Benchmark = { name: 'signaling', what: 'a signaling server under the sockets of thousands of tabs', run }
