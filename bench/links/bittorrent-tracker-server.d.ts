/** The package has no types of its own. What the benchmark uses of it. */
declare module 'bittorrent-tracker/server' {
  import type { Server as HttpServer } from 'node:http'
  export default class Server {
    constructor(options: { readonly udp: boolean; readonly stats: boolean })
    readonly http: HttpServer
    listen(port: number, hostname: string, listening: () => void): void
    on(event: 'error' | 'warning', listener: (error: Error) => void): void
  }
}
