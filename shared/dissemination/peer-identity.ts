/**
 * Who a peer is: the Ed25519 key of one page load, proved anew on every connection. The server sends each connection a challenge of
 * its own, and a join carries a signature over it. A signature is of no use on another connection, at another server or for another run.
 */
import { sha256Hex } from '../crypto/sha256.ts'
import { sign, verifySignature, type SigningKey } from '../crypto/signature.ts'
import { encodeUtf8 } from '../model/utf8.ts'
import type { PeerId, RunId } from '../protocol/identifiers.ts'

/** What a signature is made for. */
export interface JoinTerms {
  readonly protocol: number
  /** Host and port by which the page reached the server: a server in between cannot pass the challenge of another on. */
  readonly server: string
  /** Random, of one connection. */
  readonly challenge: string
  /** undefined: whichever the server takes for the newest. */
  readonly run: RunId | undefined
}

/** 128 bits of a hash of the key: nobody finds a second key with the same id. */
export function peerIdOf(publicKey: string): PeerId {
  return sha256Hex(encodeUtf8(`murmuration peer ${publicKey}`)).slice(0, 32)
}

/** @returns the signature, 128 hexadecimal digits */
export function signJoin(terms: JoinTerms, key: SigningKey): string {
  return sign(signedText(terms), key)
}

export function isSignedJoin(signature: string, terms: JoinTerms, publicKey: string): boolean {
  return verifySignature(signature, signedText(terms), publicKey)
}

/** The first line keeps it apart from everything else that Ed25519 keys sign here. No field contains a line break, and no run is called `*`. */
function signedText({ protocol, server, challenge, run = '*' }: JoinTerms): Uint8Array {
  return encodeUtf8(['murmuration join', `protocol ${protocol}`, `server ${server}`, `run ${run}`, `challenge ${challenge}`].join('\n'))
}
