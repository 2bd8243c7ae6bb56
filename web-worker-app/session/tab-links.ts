import type { IceServers } from '#shared/protocol/volunteer-messages.ts'
import { LinkPaths, type ConnectionsOf } from '../mesh/link-path.ts'
import { connectionConfig, linkingFor, type Linking } from '../mesh/linking.ts'
import { checkReachability, type Reachability } from '../mesh/reachability.ts'

export interface TabLinksOptions {
  /** From other volunteers, as the person prefers at the moment. */
  readonly hidesAddress: () => Promise<boolean>
  readonly connections: ConnectionsOf
  /** Other links, or other ways. */
  readonly changed: () => void
}

/** How a tab may link, and which ways its links take. */
export class TabLinks {
  readonly #options: TabLinksOptions
  #hideAddress = false
  /** undefined before the server has told of them. */
  #iceServers: IceServers | undefined
  #paths: LinkPaths | undefined

  constructor(options: TabLinksOptions) {
    this.#options = options
  }

  /** `any` while it links to nobody. */
  get linking(): Linking {
    return this.#paths === undefined ? 'any' : linkingFor(this.#hideAddress, this.#iceServers ?? [])
  }

  /** Of a connection that is made now; undefined where none may be made. */
  get connectionConfig(): RTCConfiguration | undefined {
    const { linking } = this
    return linking === 'none' ? undefined : connectionConfig(linking, this.#iceServers ?? [])
  }

  get paths(): LinkPaths['links'] {
    return this.#paths?.links ?? []
  }

  /** Of a person's choice that was changed while the tab runs, nothing is heard before it joins again. */
  async choose(): Promise<void> {
    this.#hideAddress = await this.#options.hidesAddress()
  }

  joined(iceServers: IceServers): void {
    this.offered(iceServers)
    this.#paths ??= new LinkPaths(this.#options.connections, this.#options.changed)
  }

  /** Credentials end, and come anew. */
  offered(iceServers: IceServers): void {
    this.#iceServers = iceServers
  }

  left(): void {
    this.#paths?.close()
    this.#paths = undefined
  }

  checkReachability(): Promise<Reachability> {
    return checkReachability(this.#iceServers)
  }
}
