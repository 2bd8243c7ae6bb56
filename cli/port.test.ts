import { UserError } from '#trainer/user-error.ts'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { choosePort, portIsFree, USUAL_PORT } from './port.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function occupy(port: number): Promise<number> {
  const server = createServer().listen(port, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('a port that was asked for and is taken is an error that says what to do', async () => {
  const taken = await occupy(0)
  const attempt = choosePort('127.0.0.1', taken)
  await expect(attempt).rejects.toThrow(UserError)
  await expect(attempt).rejects.toThrow(`Port ${taken} on 127.0.0.1 is in use. Choose another with --port`)
})

test('nobody who asked for no port is refused when the usual one is taken', async () => {
  if (await portIsFree('127.0.0.1', USUAL_PORT)) await occupy(USUAL_PORT)
  expect(await choosePort('127.0.0.1', undefined)).toBe(0)
})

test('0 stays the choice of the system', async () => {
  expect(await choosePort('127.0.0.1', 0)).toBe(0)
})
