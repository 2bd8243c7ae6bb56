/** The list of this tab's links. Pure. */
import type { LinkStatus } from '#shared/protocol/peer-status.ts'
import { formatBytes, formatMilliseconds, shortPeerId } from '../presentation/format.ts'
import { runMessages } from '../presentation/run-messages.ts'
import { messages } from './messages.ts'

export interface LinkView {
  readonly peer: string
  readonly name: string
  readonly path: LinkStatus['path']
  readonly pathLabel: string
  /** Round trip, where it is known, and bytes. */
  readonly facts: string
}

export function linkViews(paths: readonly LinkStatus[]): LinkView[] {
  const { links } = messages
  return paths.map(({ peer, path, roundTripMs, bytesSent, bytesReceived }) => {
    const bytes = links.bytes(formatBytes(bytesSent), formatBytes(bytesReceived))
    return {
      peer,
      name: links.tab(shortPeerId(peer)),
      path,
      pathLabel: runMessages.linkPath[path],
      facts: roundTripMs === null ? bytes : `${links.roundTrip(formatMilliseconds(roundTripMs))}, ${bytes}`
    }
  })
}
