import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeUtf8 } from '../model/utf8.ts'
import { runs } from '../testing/property-runs.ts'
import { sha256Hex } from './sha256.ts'
import { sign, signingKeyFrom, verifySignature } from './signature.ts'

function flip(hex: string, at: number): string {
  const digit = hex[at % hex.length]!
  const other = digit === '0' ? '1' : '0'
  return hex.slice(0, at % hex.length) + other + hex.slice((at % hex.length) + 1)
}

test('SHA-256 of "abc" is the vector of FIPS 180-4', () => {
  expect(sha256Hex(encodeUtf8('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

test('Ed25519 gives the first vector of RFC 8032, section 7.1', () => {
  const seed = Uint8Array.from(Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'))
  const key = signingKeyFrom(seed)
  expect(key.publicKey).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
  const signature = sign(new Uint8Array(0), key)
  expect(signature).toBe(
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'
  )
  expect(verifySignature(signature, new Uint8Array(0), key.publicKey)).toBe(true)
})

test('a key needs 32 bytes', () => {
  expect(() => signingKeyFrom(new Uint8Array(31))).toThrow('32 bytes, not 31')
})

test('any changed bit of message, signature or key is refused, and so is what is not hexadecimal', () => {
  const key = signingKeyFrom(new Uint8Array(32).fill(7))
  const message = encodeUtf8('a manifest')
  const signature = sign(message, key)
  fc.assert(
    fc.property(fc.nat(), at => {
      expect(verifySignature(flip(signature, at), message, key.publicKey)).toBe(false)
      expect(verifySignature(signature, message, flip(key.publicKey, at))).toBe(false)
    }),
    runs(20)
  )
  expect(verifySignature(signature, encodeUtf8('a Manifest'), key.publicKey)).toBe(false)
  expect(verifySignature('zz', message, key.publicKey)).toBe(false)
})
