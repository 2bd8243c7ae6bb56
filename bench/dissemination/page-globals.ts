/** What the product's modules expect of a page, for a process of Node: an address, and WebRTC by libdatachannel. */
import { RTCIceCandidate, RTCPeerConnection, RTCSessionDescription } from 'node-datachannel/polyfill'

/** simple-peer writes to the descriptions that it is given; browsers give plain ones. */
class PlainRTCPeerConnection extends RTCPeerConnection {
  override async createOffer(): Promise<RTCSessionDescriptionInit> {
    return plain(await super.createOffer())
  }

  override async createAnswer(): Promise<RTCSessionDescriptionInit> {
    return plain(await super.createAnswer())
  }
}

function plain({ type, sdp }: RTCSessionDescriptionInit): RTCSessionDescriptionInit {
  return { type, sdp: sdp ?? '' }
}

/** @param page the address of the signaling server */
export function actAsPageOf(page: string): void {
  const location = new URL(page)
  const fetchAbsolute = globalThis.fetch
  Object.assign(globalThis, {
    location,
    RTCPeerConnection: PlainRTCPeerConnection,
    RTCIceCandidate,
    RTCSessionDescription,
    fetch: (resource: string, init?: RequestInit) => fetchAbsolute(new URL(resource, location), init)
  })
}
