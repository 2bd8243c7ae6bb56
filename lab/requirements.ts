import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'

const PROBE = `murmuration-probe-${process.pid}`

/** @returns what this machine lacks for a network lab and how to get it, in one line; undefined when labs can be opened here */
export function labLacks(): string | undefined {
  if (process.platform !== 'linux') return `The network lab needs Linux; this is ${process.platform}. Run it in a virtual machine.`
  if (process.getuid?.() !== 0) return 'The network lab makes network namespaces, which needs root: run it with sudo -E, or in a container of its own.'
  if (!runs('ip', ['-V'])) return 'The network lab needs the command `ip`: install iproute2 (Debian: apt-get install iproute2).'
  if (!runs('cc', ['--version'])) return 'The network lab compiles its emulator with `cc`: install a C compiler (Debian: apt-get install gcc libc6-dev).'
  if (!isOpenable('/dev/net/tun')) return 'The network lab needs /dev/net/tun: modprobe tun, or start the container with --device /dev/net/tun.'
  if (!runs('ip', ['netns', 'add', PROBE])) return 'The network lab may not make network namespaces here: start the container with --cap-add SYS_ADMIN --cap-add NET_ADMIN.'
  spawnSync('ip', ['netns', 'delete', PROBE])
  return undefined
}

function runs(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function isOpenable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
