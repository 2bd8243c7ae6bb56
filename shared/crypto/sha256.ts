/**
 * SHA-256 (FIPS 180-4), synchronous and in every context. `crypto.subtle` is absent on insecure origins, and a volunteer
 * on the researcher's local network opens exactly such a page (http://192.168…).
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { ContentHash } from '../protocol/identifiers.ts'

/** @returns 64 lower-case hexadecimal digits */
export function sha256Hex(bytes: Uint8Array): ContentHash {
  return bytesToHex(sha256(bytes))
}

/** A hash of bytes that come one after the other. */
export interface RunningSha256 {
  add(bytes: Uint8Array): void
  /** Nothing can be added afterwards. */
  end(): ContentHash
}

export function beginSha256(): RunningSha256 {
  const hash = sha256.create()
  return { add: bytes => void hash.update(bytes), end: () => bytesToHex(hash.digest()) }
}
