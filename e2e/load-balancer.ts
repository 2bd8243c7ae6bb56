import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** One address for several servers, as a load balancer has it: everybody is passed on to the first that accepts. Where a server dies, its connections break and are made again elsewhere. */
export class LoadBalancer {
  readonly #ports: readonly number[]
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  /** @param ports on this machine, in the order of preference */
  static async open(ports: readonly number[]): Promise<LoadBalancer> {
    const balancer = new LoadBalancer(ports)
    await once(balancer.#server.listen(0, '127.0.0.1'), 'listening')
    return balancer
  }

  private constructor(ports: readonly number[]) {
    this.#ports = ports
    this.#server = createServer(client => this.#passOn(client, 0))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #passOn(client: Socket, choice: number): void {
    const port = this.#ports[choice]
    if (port === undefined) return void client.destroy()
    const server = connect(port, '127.0.0.1')
    const isRefused = (): void => this.#passOn(client, choice + 1)
    server.once('error', isRefused)
    server.once('connect', () => {
      server.off('error', isRefused)
      for (const [from, to] of [[client, server], [server, client]] as const) {
        this.#sockets.add(from)
        from.on('error', () => to.destroy())
        from.once('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
        from.pipe(to)
      }
    })
  }
}
