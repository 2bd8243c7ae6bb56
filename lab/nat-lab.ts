/** Hosts behind routers of five kinds and a server, on one network that plays the internet. README.md shows its use. */
import { UserError } from '#trainer/user-error.ts'
import { LabNodes } from './lab-nodes.ts'
import { assignAddress, configureInterface, connect, createBridge, executeIn, plugIntoBridge, removeDeadLabs, routeIntoTheVoid } from './namespaces.ts'
import { LAN, natRules, WAN, type NatKind } from './nat-rules.ts'
import { natLabLacks } from './requirements.ts'

export interface NatLabOptions {
  /** By the host's name: letters, digits and hyphens. */
  readonly hosts: Readonly<Record<string, NatKind>>
}

/** Public addresses that nobody has (RFC 5737). */
const NETWORK = '203.0.113'
/** Whether a NAT tells addresses apart is seen from two of them only. */
const SERVER_ADDRESSES = [`${NETWORK}.1`, `${NETWORK}.2`] as const
const SERVER = 'server'
const INTERNET = 'internet'
const HOSTS = 250
/** A gateway that is not there. As on the internet, what is sent to private addresses by way of it is lost; an error would end a TURN server's relay. */
const VOID = `${NETWORK}.254`
/** The same in every home, as it is in the world. */
const HOME = { router: '192.168.1.1', host: '192.168.1.2' }

export class NatLab extends LabNodes {
  #joined: number = SERVER_ADDRESSES.length

  static async open({ hosts }: NatLabOptions): Promise<NatLab> {
    const lab = new NatLab()
    try {
      await lab.#addServer()
      for (const [name, kind] of Object.entries(hosts)) await lab.#addHost(name, kind)
      return lab
    } catch (error) {
      await lab.close()
      throw error
    }
  }

  /** Of the node `server`, which everybody reaches. */
  get serverAddresses(): typeof SERVER_ADDRESSES {
    return SERVER_ADDRESSES
  }

  /** As others see the host: its router's address, if it has one. */
  publicAddress(host: string): string {
    const address = this.address(host)
    return address === HOME.host ? this.address(routerOf(host)) : address
  }

  async #addServer(): Promise<void> {
    await this.addNode(SERVER, SERVER_ADDRESSES[0], async namespace => {
      await createBridge(namespace, INTERNET)
      for (const address of SERVER_ADDRESSES) await assignAddress(namespace, INTERNET, `${address}/24`)
      await routeIntoTheVoid(namespace, INTERNET, VOID)
    })
  }

  async #addHost(name: string, kind: NatKind): Promise<void> {
    if (this.#joined === HOSTS) throw new RangeError(`a NAT lab has ${HOSTS - SERVER_ADDRESSES.length} hosts at most`)
    const address = `${NETWORK}.${++this.#joined}`
    if (kind === 'open') return this.addNode(name, address, namespace => this.#joinInternet(namespace, address))
    const router = routerOf(name)
    await this.addNode(router, address, async namespace => {
      await executeIn(namespace, 'nft', [natRules(kind, HOME.host)])
      await this.#joinInternet(namespace, address)
      await executeIn(namespace, 'sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
    })
    await this.addNode(name, HOME.host, async namespace => {
      const routers = this.node(router).namespace
      await connect({ namespace, interface: WAN }, { namespace: routers, interface: LAN })
      await assignAddress(routers, LAN, `${HOME.router}/24`)
      await configureInterface(namespace, WAN, `${HOME.host}/24`, HOME.router)
    })
  }

  async #joinInternet(namespace: string, address: string): Promise<void> {
    const port = { namespace: this.node(SERVER).namespace, interface: `port${this.#joined}` }
    await connect({ namespace, interface: WAN }, port)
    await plugIntoBridge(port, INTERNET)
    await configureInterface(namespace, WAN, `${address}/24`)
  }
}

/** @throws UserError when this machine lacks something */
export async function openNatLab(options: NatLabOptions): Promise<NatLab> {
  const lacking = natLabLacks()
  if (lacking !== undefined) throw new UserError(lacking)
  await removeDeadLabs()
  return NatLab.open(options)
}

function routerOf(host: string): string {
  return `${host}-router`
}
