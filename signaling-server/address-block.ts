/** Whom requests come from, as far as limits are concerned. */
import { isIPv4, isIPv6 } from 'node:net'

/**
 * An IPv4 address, or the 64 leading bits of an IPv6 address: a household is given at least so many to itself (RFC 6177), and changing
 * the rest costs nothing.
 */
export type AddressBlock = string

/**
 * @param forwardedFor the header X-Forwarded-For, to whose end every proxy adds the address that it saw
 * @param proxies of the operator, in front of this server: what stands further left in the header may be anybody's invention
 * @returns undefined for programs of this machine, and where a proxy named nobody
 */
export function addressBlockOf(remoteAddress: string | undefined, forwardedFor: string | undefined, proxies: number): AddressBlock | undefined {
  const address = proxies === 0 ? remoteAddress : forwardedFor?.split(',').at(-proxies)?.trim()
  if (address === undefined) return undefined
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (isIPv4(plain)) return plain.startsWith('127.') ? undefined : plain
  if (!isIPv6(plain) || plain === '::1') return undefined
  return leadingGroups(plain).join(':')
}

/** The first four of eight groups, without leading zeros. */
function leadingGroups(address: string): string[] {
  const [before, after] = address.split('%')[0]!.split('::').map(part => part.split(':').filter(group => group !== ''))
  const absent = after === undefined ? 0 : 8 - before!.length - after.length
  const groups = [...before!, ...Array.from({ length: absent }, () => '0'), ...(after ?? [])]
  return groups.slice(0, 4).map(group => Number.parseInt(group, 16).toString(16))
}
