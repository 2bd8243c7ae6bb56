/** Network namespaces of labs, by iproute2. A namespace's name says which process opened its lab, so that those of dead labs can be told. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

const PREFIX = 'murmuration-lab'
let labs = 0

/** Where iproute2 keeps namespaces. */
const FOLDER = '/run/netns'

/** @returns what the names of one more lab of this process begin with */
export function newLabName(): string {
  return `${PREFIX}-${process.pid}-${labs++}`
}

export function namespacePath(namespace: string): string {
  return `${FOLDER}/${namespace}`
}

export async function createNamespace(namespace: string): Promise<void> {
  await execute('ip', ['netns', 'add', namespace])
  await execute('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
}

/**
 * Gives the interface its address and makes it the way to everywhere: Chromium gathers candidates on the interface of the default route only.
 * @param gateway who knows the way; without one, everybody is asked for directly
 */
export async function configureInterface(namespace: string, name: string, address: string, gateway?: string): Promise<void> {
  const commands = [
    ['link', 'set', name, 'txqueuelen', '10000', 'up'],
    ['address', 'add', address, 'dev', name],
    ['route', 'add', 'default', ...(gateway === undefined ? [] : ['via', gateway]), 'dev', name]
  ]
  for (const command of commands) await execute('ip', ['-n', namespace, ...command])
}

/** A switch, as an interface of its namespace. */
export async function createBridge(namespace: string, name: string): Promise<void> {
  await execute('ip', ['-n', namespace, 'link', 'add', name, 'type', 'bridge'])
}

export interface CableEnd {
  readonly namespace: string
  readonly interface: string
}

export async function connect(end: CableEnd, other: CableEnd): Promise<void> {
  await execute('ip', ['link', 'add', end.interface, 'netns', end.namespace, 'type', 'veth', 'peer', 'name', other.interface, 'netns', other.namespace])
}

export async function plugIntoBridge({ namespace, interface: name }: CableEnd, bridge: string): Promise<void> {
  await execute('ip', ['-n', namespace, 'link', 'set', name, 'master', bridge, 'up'])
}

export async function assignAddress(namespace: string, name: string, address: string): Promise<void> {
  await execute('ip', ['-n', namespace, 'address', 'add', address, 'dev', name])
  await execute('ip', ['-n', namespace, 'link', 'set', name, 'up'])
}

/** What goes to no network that the namespace is in is lost without a word. @param gateway an address of its network that nobody has */
export async function routeIntoTheVoid(namespace: string, name: string, gateway: string): Promise<void> {
  await execute('ip', ['-n', namespace, 'neighbour', 'add', gateway, 'lladdr', '02:00:00:00:00:01', 'nud', 'permanent', 'dev', name])
  await execute('ip', ['-n', namespace, 'route', 'add', 'default', 'via', gateway, 'dev', name])
}

/** Runs a program in it to its end. */
export async function executeIn(namespace: string, command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await execute('ip', ['netns', 'exec', namespace, command, ...args])
  return stdout
}

/** Ends every process in it, at once. */
export async function killProcesses(namespace: string): Promise<void> {
  const { stdout } = await execute('ip', ['netns', 'pids', namespace])
  for (const line of stdout.split('\n').filter(line => line !== '')) {
    try {
      process.kill(Number(line), 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

export async function removeNamespace(namespace: string): Promise<void> {
  try {
    await killProcesses(namespace)
    await execute('ip', ['netns', 'delete', namespace])
  } catch (error) {
    // Gone already, perhaps this moment: several processes may be removing the same dead lab.
    if (existsSync(namespacePath(namespace))) throw error
  }
}

/** @returns the names of all labs' namespaces on this machine */
export async function listNamespaces(): Promise<string[]> {
  const { stdout } = await execute('ip', ['netns', 'list'])
  return stdout.split('\n').map(line => line.split(' ')[0]!).filter(name => name.startsWith(`${PREFIX}-`))
}

/** Removes the namespaces and temporary folders of labs whose process is gone. */
export async function removeDeadLabs(): Promise<void> {
  for (const namespace of await listNamespaces()) if (isOfDeadLab(namespace)) await removeNamespace(namespace)
  for (const entry of readdirSync(tmpdir())) if (isOfDeadLab(entry)) rmSync(join(tmpdir(), entry), { recursive: true, force: true })
}

function isOfDeadLab(name: string): boolean {
  const [, pid] = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name) ?? []
  return pid !== undefined && !existsSync(`/proc/${pid}`)
}
