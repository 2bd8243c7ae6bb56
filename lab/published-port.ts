import { connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { LabNodes } from './lab-nodes.ts'

const PUBLISHER = fileURLToPath(new URL('port-publisher.mjs', import.meta.url))

/**
 * Lets the lab reach a server outside of it, which listens on this machine's loopback: who connects to the node at the same port talks to it.
 * What the server sends is not slowed down on its way to the node.
 * @returns the server's origin as the lab sees it, such as `http://198.51.100.1:8787`
 */
export async function publishPort(lab: LabNodes, node: string, port: number): Promise<string> {
  const address = lab.address(node)
  const publisher = lab.spawn(node, process.execPath, [PUBLISHER, address, String(port)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await new Promise<void>((resolve, reject) => {
    publisher.on('message', (message, connection) => {
      if (message === 'listening') resolve()
      // Whoever has gone again in the meantime is no connection any more.
      else if (connection !== undefined) join(connection as Socket, connect(port, '127.0.0.1'))
    })
    publisher.once('exit', code => reject(new Error(`port ${port} of ${address} could not be published (${code})`)))
  })
  return `http://${address}:${port}`
}

/** One that breaks ends the other. */
function join(one: Socket, other: Socket): void {
  pipeline(one, other, () => undefined)
  pipeline(other, one, () => undefined)
  one.resume()
}
