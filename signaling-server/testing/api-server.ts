import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { createApp } from '../http/app.ts'
import { ChunkOrigin } from '../http/chunk-origin.ts'
import { createMetrics } from '../http/metrics.ts'
import { OriginUplink } from '../http/origin-uplink.ts'
import type { ServingPort } from '../serving-port.ts'

export interface ApiServer {
  readonly url: string
  close(): Promise<void>
}

/** The HTTP side of a signaling server whose sequences are served by `port`. */
export async function startApiServer(port: ServingPort, apiKeys: readonly string[] = []): Promise<ApiServer> {
  const origin = new ChunkOrigin()
  const uplink = new OriginUplink({ rate: { perSecond: 1, burst: 1 }, responses: 1, addressOf: () => undefined })
  const options = { page: 'nowhere', models: 'nowhere', trainerToken: 'a trainer token of the tests', apiKeys, serving: port }
  const http: Server = createServer(createApp(options, () => 'ready', uplink, origin, createMetrics(origin, () => ({ connections: new Map(), peers: new Map() })), pino({ level: 'silent' })))
  await once(http.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    close: async () => {
      http.closeAllConnections()
      await new Promise(resolve => http.close(resolve))
    }
  }
}
