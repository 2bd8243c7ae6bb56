/** STUN and TURN servers as tabs are told of them, and credentials for TURN that end by themselves. */
import { createHmac } from 'node:crypto'
import type { PeerId } from '#shared/protocol/identifiers.ts'
import type { IceServers } from '#shared/protocol/volunteer-messages.ts'

export interface IceOptions {
  /** e.g. stun:swarm.example:3478 */
  readonly stun: readonly string[]
  /** e.g. turn:swarm.example:3478?transport=udp */
  readonly turn: readonly string[]
  /** The secret that coturn calls `static-auth-secret`; undefined where there is no TURN server. */
  readonly turnSecret: string | undefined
}

export const NO_ICE_SERVERS: IceOptions = { stun: [], turn: [], turnSecret: undefined }

/** How long a TURN credential is good for. Peers are given another when half of it has passed. */
export const TURN_CREDENTIAL_MS = 3_600_000

/**
 * The "TURN REST API" of coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00, section 2.2): the user name says until when, and
 * the password is an HMAC over it, so that the TURN server needs to know nothing but the secret.
 * @param unixMs the present
 */
export function turnCredential(secret: string, peer: PeerId, unixMs: number): { readonly username: string; readonly credential: string } {
  const username = `${Math.floor((unixMs + TURN_CREDENTIAL_MS) / 1000)}:${peer}`
  return { username, credential: createHmac('sha1', secret).update(username).digest('base64') }
}

export function iceServersFor({ stun, turn, turnSecret }: IceOptions, peer: PeerId, unixMs: number): IceServers {
  const credential = turnSecret === undefined ? undefined : turnCredential(turnSecret, peer, unixMs)
  return [...stun.map(urls => ({ urls })), ...(credential === undefined ? [] : turn.map(urls => ({ urls, ...credential })))]
}

/** RFC 7064 and RFC 7065: no user, no path. */
const STUN_URL = /^stuns?:[^/?@]+$/
const TURN_URL = /^turns?:[^/?@]+(\?transport=(udp|tcp))?$/

/** @returns one line about what is wrong with what an operator asked for; undefined when nothing is */
export function iceOptionsFault({ stun, turn, turnSecret }: IceOptions, most: number): string | undefined {
  const notStun = stun.find(url => !STUN_URL.test(url))
  if (notStun !== undefined) return `--stun: ${notStun} is not a STUN address such as stun:swarm.example:3478`
  const notTurn = turn.find(url => !TURN_URL.test(url))
  if (notTurn !== undefined) return `--turn: ${notTurn} is not a TURN address such as turn:swarm.example:3478?transport=udp`
  if (turn.length > 0 && turnSecret === undefined) return '--turn needs --turn-secret-file, a file with the static-auth-secret of the TURN server'
  if (turn.length === 0 && turnSecret !== undefined) return '--turn-secret-file is of no use without --turn'
  if (turnSecret !== undefined && turnSecret.length < 16) return '--turn-secret-file: the secret must have at least 16 characters'
  return stun.length + turn.length > most ? `--stun and --turn: at most ${most} addresses` : undefined
}
