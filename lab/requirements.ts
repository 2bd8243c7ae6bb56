import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'

const PROBE = `murmuration-probe-${process.pid}`

/** @returns what this machine lacks for a network lab and how to get it, in one line; undefined when labs can be opened here */
export function labLacks(): string | undefined {
  const lacking = rootOrIpLacks()
  if (lacking !== undefined) return lacking
  if (!runs('cc', ['--version'])) return 'The network lab compiles its emulator with `cc`: install a C compiler (Debian: apt-get install gcc libc6-dev).'
  if (!isOpenable('/dev/net/tun')) return 'The network lab needs /dev/net/tun: modprobe tun, or start the container with --device /dev/net/tun.'
  return inProbe(() => undefined)
}

/** @returns the same for a NAT lab */
export function natLabLacks(): string | undefined {
  const lacking = rootOrIpLacks()
  if (lacking !== undefined) return lacking
  if (!runs('nft', ['--version'])) return 'The NAT lab needs the command `nft`: install nftables (Debian: apt-get install nftables).'
  return inProbe(() => {
    const makes = (kind: readonly string[]): boolean => runs('ip', ['-n', PROBE, 'link', 'add', 'probe', 'type', ...kind]) && runs('ip', ['-n', PROBE, 'link', 'delete', 'probe'])
    if (!makes(['bridge']) || !makes(['veth'])) return 'The NAT lab needs bridges and veth pairs, which this kernel does not make: modprobe bridge veth.'
    const rules = 'add table ip nat; add chain ip nat probe { type nat hook postrouting priority 100; }; add rule ip nat probe masquerade fully-random'
    if (!runs('ip', ['netns', 'exec', PROBE, 'nft', rules])) return 'The NAT lab needs a kernel whose nftables translate addresses: modprobe nft_nat nft_masq.'
    return undefined
  })
}

function rootOrIpLacks(): string | undefined {
  if (process.platform !== 'linux') return `The network lab needs Linux; this is ${process.platform}. Run it in a virtual machine.`
  if (process.getuid?.() !== 0) return 'The network lab makes network namespaces, which needs root: run it with sudo -E, or in a container of its own.'
  if (!runs('ip', ['-V'])) return 'The network lab needs the command `ip`: install iproute2 (Debian: apt-get install iproute2).'
  return undefined
}

/** @param lacks asked while there is a namespace to try things in */
function inProbe(lacks: () => string | undefined): string | undefined {
  if (!runs('ip', ['netns', 'add', PROBE])) return 'The network lab may not make network namespaces here: start the container with --cap-add SYS_ADMIN --cap-add NET_ADMIN.'
  try {
    return lacks()
  } finally {
    spawnSync('ip', ['netns', 'delete', PROBE])
  }
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
