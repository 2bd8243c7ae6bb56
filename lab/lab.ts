/** A small internet on one machine: every node is a network namespace behind an emulated access link. README.md shows its use. */
import { UserError } from '#trainer/user-error.ts'
import { Emulator, type NodeSettings, type NodeCounters } from './emulator.ts'
import { LabNodes } from './lab-nodes.ts'
import { configureInterface, namespacePath, removeDeadLabs } from './namespaces.ts'
import { labLacks } from './requirements.ts'

export type { NodeSettings, NodeCounters } from './emulator.ts'

export interface LabOptions {
  /** Every node's access link, by the node's name: letters, digits and hyphens. What is not said is unlimited, without delay and without loss. */
  readonly nodes: Readonly<Record<string, Partial<NodeSettings>>>
}

/** Public addresses that nobody has (RFC 5737), because browsers have other rules for private ones. */
const NETWORK = '198.51.100'
const NODES = 254
const INTERFACE = 'wan0'

export class Lab extends LabNodes {
  readonly #emulator = new Emulator()
  #added = 0

  /**
   * One more node.
   * @param name letters, digits and hyphens
   * @throws RangeError for settings that cannot be; the lab is as it was
   */
  async add(name: string, settings: Partial<NodeSettings>): Promise<void> {
    if (this.#added === NODES) throw new RangeError(`a lab has ${NODES} nodes at most`)
    const address = `${NETWORK}.${++this.#added}`
    await this.addNode(name, address, async namespace => {
      await this.#emulator.add(name, { netns: namespacePath(namespace), interface: INTERFACE, address }, settings)
      await configureInterface(namespace, INTERFACE, `${address}/24`)
    })
  }

  /** @throws RangeError, and nothing has changed, for settings that cannot be */
  change(node: string, settings: Partial<NodeSettings>): Promise<void> {
    this.node(node)
    return this.#emulator.set(node, settings)
  }

  counters(): Promise<Readonly<Record<string, NodeCounters>>> {
    return this.#emulator.counters()
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#emulator.close()
  }
}

/** @throws UserError when this machine lacks something; RangeError for settings that cannot be */
export async function openLab({ nodes }: LabOptions): Promise<Lab> {
  const lacking = labLacks()
  if (lacking !== undefined) throw new UserError(lacking)
  await removeDeadLabs()
  const lab = new Lab()
  try {
    for (const [name, settings] of Object.entries(nodes)) await lab.add(name, settings)
    return lab
  } catch (error) {
    await lab.close()
    throw error
  }
}
