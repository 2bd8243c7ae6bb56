/** Flags about the network between the signaling server and tabs, passed on as they are to the server, which checks them. */
import type { Command } from 'commander'
import { resolve } from 'node:path'

export interface NetworkFlags {
  readonly stun?: readonly string[]
  readonly turn?: readonly string[]
  readonly turnSecretFile?: string
  readonly proxies?: string
}

export function addNetworkFlags(command: Command): Command {
  return command
    .option('--stun <url...>', 'STUN servers for links between tabs, e.g. stun:swarm.example:3478')
    .option('--turn <url...>', 'TURN servers for tabs that cannot be linked directly, e.g. turn:swarm.example:3478?transport=udp')
    .option('--turn-secret-file <file>', "file with the TURN servers' static-auth-secret (coturn with use-auth-secret)")
    .option('--proxies <number>', 'reverse proxies in front of the server, which say in X-Forwarded-For for whom they ask')
}

export function networkArguments({ stun = [], turn = [], turnSecretFile, proxies }: NetworkFlags): string[] {
  const named = (flag: string, urls: readonly string[]): readonly string[] => (urls.length === 0 ? [] : [flag, ...urls])
  return [...named('--stun', stun), ...named('--turn', turn), ...(turnSecretFile === undefined ? [] : ['--turn-secret-file', resolve(turnSecretFile)]), ...(proxies === undefined ? [] : ['--proxies', proxies])]
}
