/** Tries what links need, without another tab: what of it works from this network and in this browser. */
import type { IceServers } from '#shared/protocol/volunteer-messages.ts'
import { connectionConfig, kindOf, type IceServerKind } from './linking.ts'

/** `not_offered`: the server names none. `unknown`: it has not said yet what it offers. */
export type Reached = 'works' | 'blocked' | 'not_offered' | 'unknown'
export type Reachability = Readonly<Record<'direct' | IceServerKind, Reached>>

/** Chromium gives a STUN server up after some ten seconds. */
const PATIENCE_MS = 12_000

/** @param iceServers undefined before the server has told of them */
export async function checkReachability(iceServers: IceServers | undefined): Promise<Reachability> {
  const tried = async (kind: IceServerKind): Promise<Reached> => {
    if (iceServers === undefined) return 'unknown'
    const servers = iceServers.filter(({ urls }) => kindOf(urls) === kind)
    if (servers.length === 0) return 'not_offered'
    return (await (kind === 'stun' ? answersStun(servers) : relays(servers))) ? 'works' : 'blocked'
  }
  const [direct, stun, turn_udp, turn_tcp] = await Promise.all([canLink(), tried('stun'), tried('turn_udp'), tried('turn_tcp')])
  return { direct: direct ? 'works' : 'blocked', stun, turn_udp, turn_tcp }
}

/** A browser leaves out what a STUN server answers where it knows that address already: then there is no error either. */
function answersStun(servers: IceServers): Promise<boolean> {
  return gathers(connectionConfig('any', servers), 'srflx', failures => failures === 0)
}

function relays(servers: IceServers): Promise<boolean> {
  return gathers(connectionConfig('relayed', servers), 'relay', () => false)
}

async function gathers(config: RTCConfiguration, wanted: RTCIceCandidateType, otherwise: (failures: number) => boolean): Promise<boolean> {
  return attempt(async (open, done) => {
    const connection = open(config)
    let failures = 0
    connection.addEventListener('icecandidateerror', () => failures++)
    connection.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate?.type === wanted) done(true)
    })
    connection.addEventListener('icegatheringstatechange', () => {
      if (connection.iceGatheringState === 'complete') done(otherwise(failures))
    })
    connection.createDataChannel('probe')
    await connection.setLocalDescription()
  })
}

/** Two ends in this page: what keeps them apart is the browser, an extension, or whoever manages them. */
async function canLink(): Promise<boolean> {
  return attempt(async (open, done) => {
    const [one, other] = [open({}), open({})]
    one.addEventListener('icecandidate', ({ candidate }) => void other.addIceCandidate(candidate ?? undefined))
    other.addEventListener('icecandidate', ({ candidate }) => void one.addIceCandidate(candidate ?? undefined))
    one.createDataChannel('probe').addEventListener('open', () => done(true))
    await one.setLocalDescription()
    await other.setRemoteDescription(one.localDescription!)
    await other.setLocalDescription()
    await one.setRemoteDescription(other.localDescription!)
  })
}

/** @returns what `done` was called with, or false when it was not in time, or a browser without WebRTC threw */
async function attempt(probe: (open: (config: RTCConfiguration) => RTCPeerConnection, done: (works: boolean) => void) => Promise<void>): Promise<boolean> {
  const opened: RTCPeerConnection[] = []
  const open = (config: RTCConfiguration): RTCPeerConnection => {
    const connection = new RTCPeerConnection(config)
    opened.push(connection)
    return connection
  }
  const works = await new Promise<boolean>(resolve => {
    setTimeout(() => resolve(false), PATIENCE_MS)
    probe(open, resolve).catch(() => resolve(false))
  })
  for (const connection of opened) connection.close()
  return works
}
