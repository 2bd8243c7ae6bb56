/**
 * Runs in a node of the lab: signaling server, origin and publisher of versions, and a BitTorrent tracker. Prints the addresses as one line of JSON,
 * and another line when a version that a line of its stdin has named is announced; ends with its stdin.
 *
 *     swarm-server.ts ADDRESS PAGE_FOLDER
 */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import TrackerServer from 'bittorrent-tracker/server'
import { startSignalingServer } from '#signaling-server/server.ts'
import { LeasingTrainer } from '../../e2e/leasing-trainer.ts'
import { ADAPTER, MODEL, RUN } from './published-version.ts'

export interface SwarmAddresses {
  readonly page: string
  readonly tracker: string
}

const [host = '127.0.0.1', page = ''] = process.argv.slice(2)

const trainerToken = randomBytes(32).toString('hex')
const server = await startSignalingServer({ port: 0, host, page, models: page, trainerToken })
const trainer = new LeasingTrainer(server.url, trainerToken, RUN, MODEL, { ...ADAPTER, targets: [...ADAPTER.targets] })
await trainer.open()
await trainer.publish(0)

const tracker = new TrackerServer({ udp: false, stats: false })
tracker.on('error', error => {
  throw error
})
tracker.listen(0, host, () => {
  const addresses: SwarmAddresses = { page: `${server.url}/bench/pages/dissemination.html`, tracker: `ws://${host}:${(tracker.http.address() as AddressInfo).port}` }
  console.log(JSON.stringify(addresses))
})

const lines = createInterface({ input: process.stdin })
lines.on('close', () => process.exit(0))
for await (const line of lines) {
  await trainer.publish(Number(line))
  console.log(JSON.stringify({ announced: Number(line) }))
}
