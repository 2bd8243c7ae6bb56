/** A small internet on one machine: every node is a network namespace behind an emulated access link. README.md shows its use. */
import { UserError } from '#trainer/user-error.ts'
import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Emulator, type NodeSettings, type NodeCounters } from './emulator.ts'
import { configureInterface, createNamespace, killProcesses, namespacePath, newLabName, removeDeadLabs, removeNamespace } from './namespaces.ts'
import { labLacks } from './requirements.ts'

export type { NodeSettings, NodeCounters } from './emulator.ts'

export interface LabOptions {
  /** Every node's access link, by the node's name: letters, digits and hyphens. What is not said is unlimited, without delay and without loss. */
  readonly nodes: Readonly<Record<string, Partial<NodeSettings>>>
}

interface LabNode {
  readonly namespace: string
  readonly address: string
}

/** Public addresses that nobody has (RFC 5737), because browsers have other rules for private ones. */
const NETWORK = '198.51.100'
const NODES = 254
const INTERFACE = 'wan0'

export class Lab {
  readonly #nodes = new Map<string, LabNode>()
  readonly #name = newLabName()
  readonly #folder = mkdtempSync(join(tmpdir(), `${this.#name}-`))
  readonly #emulator = new Emulator()
  #added = 0

  /**
   * One more node.
   * @param name letters, digits and hyphens
   * @throws RangeError for settings that cannot be; the lab is as it was
   */
  async add(name: string, settings: Partial<NodeSettings>): Promise<void> {
    if (!/^[\w-]{1,24}$/.test(name)) throw new RangeError(`"${name}" is no name for a node: letters, digits and hyphens, at most 24`)
    if (this.#nodes.has(name)) throw new RangeError(`the lab has a node "${name}" already`)
    if (this.#added === NODES) throw new RangeError(`a lab has ${NODES} nodes at most`)
    const node = { namespace: `${this.#name}-${name}`, address: `${NETWORK}.${++this.#added}` }
    await createNamespace(node.namespace)
    try {
      await this.#emulator.add(name, { netns: namespacePath(node.namespace), interface: INTERFACE, address: node.address }, settings)
      await configureInterface(node.namespace, INTERFACE, `${node.address}/24`)
    } catch (error) {
      await removeNamespace(node.namespace)
      throw error
    }
    this.#nodes.set(name, node)
  }

  /** IPv4. */
  address(node: string): string {
    return this.#node(node).address
  }

  /** Starts a program in a node. It ends with the lab at the latest. */
  spawn(node: string, command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.#node(node).namespace, command, ...args], options)
  }

  /** Runs a program in a node to its end. @returns its stdout. Rejects with its stderr when it fails */
  async run(node: string, command: string, args: readonly string[] = []): Promise<string> {
    const { stdout } = await promisify(execFile)('ip', ['netns', 'exec', this.#node(node).namespace, command, ...args])
    return stdout
  }

  /** @returns the path of a program that runs `program` in the node with the same arguments and open files: for whoever starts programs by path */
  executable(node: string, program: string): string {
    const path = join(this.#folder, `${node}-${program.replaceAll(/\W/g, '-')}`)
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${quoted(this.#node(node).namespace)} ${quoted(program)} "$@"\n`)
    chmodSync(path, 0o755)
    return path
  }

  /** @throws RangeError, and nothing has changed, for settings that cannot be */
  change(node: string, settings: Partial<NodeSettings>): Promise<void> {
    this.#node(node)
    return this.#emulator.set(node, settings)
  }

  /** Ends every process in a node, at once and without a word to anybody. */
  kill(node: string): Promise<void> {
    return killProcesses(this.#node(node).namespace)
  }

  counters(): Promise<Readonly<Record<string, NodeCounters>>> {
    return this.#emulator.counters()
  }

  async close(): Promise<void> {
    for (const { namespace } of this.#nodes.values()) await removeNamespace(namespace)
    await this.#emulator.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #node(name: string): LabNode {
    const node = this.#nodes.get(name)
    if (node === undefined) throw new RangeError(`the lab has no node "${name}"; it has ${[...this.#nodes.keys()].join(', ')}`)
    return node
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

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
