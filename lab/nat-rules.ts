/** What a home router does with packets, as rules for nftables. */

/**
 * Kinds of NAT as RFC 3489 names them; what they are in terms of RFC 4787 is said beside each.
 * `open`: no NAT at all. `full_cone`: mapping and filtering are endpoint-independent. `port_restricted`: mapping is endpoint-independent, filtering address-
 * and port-dependent, as on most home routers. `symmetric`: both are address- and port-dependent. `udp_blocked`: TCP passes, UDP does not.
 */
export const NAT_KINDS = ['open', 'full_cone', 'port_restricted', 'symmetric', 'udp_blocked'] as const
export type NatKind = (typeof NAT_KINDS)[number]

/** Interfaces of a router: the internet, and the home. */
export const WAN = 'wan'
export const LAN = 'lan'

/** @param host the one behind the router */
export function natRules(kind: Exclude<NatKind, 'open'>, host: string): string {
  // A source port is kept where it can be, which with one host behind the router is always: the same to whomever a packet goes.
  const masquerade = kind === 'symmetric' ? 'masquerade fully-random' : 'masquerade'
  const forwardPort = kind === 'full_cone' ? `chain destination { type nat hook prerouting priority dstnat; iifname ${WAN} meta l4proto udp dnat to ${host}; }` : ''
  const blocked = kind === 'udp_blocked' ? `iifname ${LAN} meta l4proto udp drop;` : ''
  return `table ip router {
    ${forwardPort}
    chain source { type nat hook postrouting priority srcnat; oifname ${WAN} ${masquerade}; }
    chain passing {
      type filter hook forward priority filter; policy drop;
      ${blocked}
      iifname ${LAN} accept;
      ct state established,related accept;
      ct status dnat accept;
    }
    # An unasked packet must be dropped, not refused by the router itself: it would be remembered as a connection of the router's, and
    # the packet of the host that comes to meet it would be sent from another port.
    chain arriving {
      type filter hook input priority filter; policy accept;
      iifname ${WAN} ct state new,invalid drop;
    }
  }`
}
