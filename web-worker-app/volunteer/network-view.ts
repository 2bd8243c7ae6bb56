/** What the card about addresses and ways shows. Pure. */
import type { SessionSnapshot } from '../session/session-store.ts'
import { messages } from './messages.ts'

const WAYS = ['socket', 'direct', 'stun', 'turn_udp', 'turn_tcp'] as const

export interface WayView {
  readonly way: (typeof WAYS)[number]
  readonly label: string
  readonly reached: 'works' | 'blocked' | 'not_offered' | 'unknown'
  readonly reachedLabel: string
  /** What it means, and what to do where it does not work. */
  readonly text: string
}

export interface NetworkView {
  readonly hideAddress: boolean
  readonly canChange: boolean
  /** Why not, or what the choice means. */
  readonly note: string
  /** The address is hidden, and nothing is there to link behind. */
  readonly notice: string | null
  readonly checking: boolean
  /** null before the first check. */
  readonly ways: readonly WayView[] | null
}

export function networkView({ site, volunteer, connection, reachability }: SessionSnapshot): NetworkView {
  const { network } = messages
  const stopped = volunteer.state === 'stopped'
  const { hideAddress, addressFixed } = site
  return {
    hideAddress,
    canChange: stopped && !addressFixed,
    note: addressFixed ? network.fixed : stopped ? network.meaning : network.whileRunning,
    notice: volunteer.linking === 'none' ? network.noRelay : null,
    checking: reachability === 'checking',
    ways:
      reachability === null || reachability === 'checking'
        ? null
        : WAYS.map(way => {
            const reached = way === 'socket' ? (connection === 'online' ? 'works' : 'blocked') : reachability[way]
            return { way, label: network.ways[way], reached, reachedLabel: network.reached[reached], text: network.advice[way][reached] }
          })
  }
}
