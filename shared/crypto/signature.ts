/** Ed25519 signatures (RFC 8032). Deterministic: one key and one message give one signature. All keys and signatures are hexadecimal. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'

export interface SigningKey {
  /** 64 hexadecimal digits. Never leaves the process that signs. */
  readonly secretKey: string
  /** 64 hexadecimal digits. */
  readonly publicKey: string
}

/**
 * @param seed 32 bytes from the caller's source of secrets; the same bytes give the same key
 * @throws {RangeError} when the seed has another length
 */
export function signingKeyFrom(seed: Uint8Array): SigningKey {
  if (seed.byteLength !== 32) throw new RangeError(`an Ed25519 key is made from 32 bytes, not ${seed.byteLength}`)
  return { secretKey: bytesToHex(seed), publicKey: bytesToHex(ed25519.getPublicKey(seed)) }
}

/** @returns 128 hexadecimal digits */
export function sign(message: Uint8Array, key: SigningKey): string {
  return bytesToHex(ed25519.sign(message, hexToBytes(key.secretKey)))
}

/** Never throws: a signature or key that cannot be decoded verifies nothing. */
export function verifySignature(signature: string, message: Uint8Array, publicKey: string): boolean {
  try {
    return ed25519.verify(hexToBytes(signature), message, hexToBytes(publicKey))
  } catch {
    return false
  }
}
