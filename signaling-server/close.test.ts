import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { startSignalingServer, type SignalingServer } from './server.ts'

let server: SignalingServer

afterEach(() => server.close())

test.each([
  ['says nothing', ''],
  ['stops in the middle of a request', 'GET /health HTTP/1.1\r\nHost: '],
  ['stops in the middle of a handshake', 'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n']
])('a client that connects and %s does not hold the server open', async (_, sent) => {
  server = await startSignalingServer({ port: 0, host: '127.0.0.1', page: 'public', models: 'public/models', trainerToken: 'token' })
  const client = connect(server.port, '127.0.0.1')
  await once(client, 'connect')
  client.write(sent)
  const ended = once(client, 'close')
  client.resume()
  await server.close()
  await ended
  expect(client.destroyed).toBe(true)
})
