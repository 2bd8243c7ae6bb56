/**
 * Runs in a node of the lab: serves the benchmark's page, and is the BitTorrent tracker. Prints both addresses as one line of JSON; ends with its stdin.
 *
 *     page-server.ts ADDRESS
 */
import TrackerServer from 'bittorrent-tracker/server'
import type { AddressInfo } from 'node:net'
import { createServer } from 'vite'
import { ROOT } from '../../cli/child-process.ts'

export interface PageServerAddresses {
  readonly page: string
  readonly tracker: string
}

const [host = '127.0.0.1'] = process.argv.slice(2)
process.stdin.on('end', () => process.exit(0)).resume()

const pages = await createServer({
  root: ROOT,
  // What is not there is a 404, not the product's page.
  appType: 'mpa',
  cacheDir: 'node_modules/.vite-bench-links',
  // Not watched: a file that somebody saves must not reload the page in the middle of a measurement.
  server: { host, port: 0, watch: null },
  optimizeDeps: { noDiscovery: true, include: ['simple-peer/simplepeer.min.js'] },
  logLevel: 'warn'
})
await pages.listen()

const tracker = new TrackerServer({ udp: false, stats: false })
tracker.on('error', error => {
  throw error
})
tracker.listen(0, host, () => {
  const addresses: PageServerAddresses = {
    page: `http://${host}:${(pages.httpServer!.address() as AddressInfo).port}/bench/pages/links.html`,
    tracker: `ws://${host}:${(tracker.http.address() as AddressInfo).port}`
  }
  console.log(JSON.stringify(addresses))
})
