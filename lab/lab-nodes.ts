import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNamespace, executeIn, killProcesses, newLabName, removeNamespace } from './namespaces.ts'

interface LabNode {
  readonly namespace: string
  readonly address: string
}

/** The nodes of a lab, and the programs in them. Kinds of labs differ in how they join nodes to each other. */
export class LabNodes {
  readonly #nodes = new Map<string, LabNode>()
  readonly #name = newLabName()
  readonly #folder = mkdtempSync(join(tmpdir(), `${this.#name}-`))

  /** IPv4. */
  address(node: string): string {
    return this.node(node).address
  }

  /** Starts a program in a node. It ends with the lab at the latest. */
  spawn(node: string, command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.node(node).namespace, command, ...args], options)
  }

  /** Runs a program in a node to its end. @returns its stdout. Rejects with its stderr when it fails */
  run(node: string, command: string, args: readonly string[] = []): Promise<string> {
    return executeIn(this.node(node).namespace, command, args)
  }

  /** @returns the path of a program that runs `program` in the node with the same arguments and open files: for whoever starts programs by path */
  executable(node: string, program: string): string {
    const path = join(this.#folder, `${node}-${program.replaceAll(/\W/g, '-')}`)
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${quoted(this.node(node).namespace)} ${quoted(program)} "$@"\n`)
    chmodSync(path, 0o755)
    return path
  }

  /** Ends every process in a node, at once and without a word to anybody. */
  kill(node: string): Promise<void> {
    return killProcesses(this.node(node).namespace)
  }

  async close(): Promise<void> {
    for (const { namespace } of this.#nodes.values()) await removeNamespace(namespace)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /**
   * @param name letters, digits and hyphens
   * @param joinToOthers if it throws, there is no such node
   */
  protected async addNode(name: string, address: string, joinToOthers: (namespace: string) => Promise<void>): Promise<void> {
    if (!/^[\w-]{1,24}$/.test(name)) throw new RangeError(`"${name}" is no name for a node: letters, digits and hyphens, at most 24`)
    if (this.#nodes.has(name)) throw new RangeError(`the lab has a node "${name}" already`)
    const node = { namespace: `${this.#name}-${name}`, address }
    await createNamespace(node.namespace)
    try {
      await joinToOthers(node.namespace)
    } catch (error) {
      await removeNamespace(node.namespace)
      throw error
    }
    this.#nodes.set(name, node)
  }

  protected node(name: string): LabNode {
    const node = this.#nodes.get(name)
    if (node === undefined) throw new RangeError(`the lab has no node "${name}"; it has ${[...this.#nodes.keys()].join(', ')}`)
    return node
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
