import type { IceServers } from '#shared/protocol/volunteer-messages.ts'

/**
 * How this tab may link. `relayed`: by TURN only, so that other volunteers see the relay's address and not its own. `none`: its address
 * is to be hidden, and there is no relay behind which it could be.
 */
export type Linking = 'any' | 'relayed' | 'none'

export function linkingFor(hideAddress: boolean, iceServers: IceServers): Linking {
  if (!hideAddress) return 'any'
  return iceServers.some(({ urls }) => isTurn(urls)) ? 'relayed' : 'none'
}

/** @returns the browser's configuration; without ICE servers of its own simple-peer would show every volunteer's address to third parties */
export function connectionConfig(linking: Exclude<Linking, 'none'>, iceServers: IceServers): RTCConfiguration {
  return {
    iceServers: iceServers.map(({ urls, username, credential }) => ({ urls, ...(username !== undefined && { username }), ...(credential !== undefined && { credential }) })),
    ...(linking === 'relayed' && { iceTransportPolicy: 'relay' })
  }
}

export type IceServerKind = 'stun' | 'turn_udp' | 'turn_tcp'

/** TURN goes over UDP where its address says nothing (RFC 7065, section 3.1), and with TLS over TCP. */
export function kindOf(url: string): IceServerKind {
  if (!isTurn(url)) return 'stun'
  return url.startsWith('turns:') || url.endsWith('?transport=tcp') ? 'turn_tcp' : 'turn_udp'
}

function isTurn(url: string): boolean {
  return /^turns?:/.test(url)
}
