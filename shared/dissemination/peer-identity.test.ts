import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { peerKey } from '../testing/swarm-fixtures.ts'
import { runs } from '../testing/property-runs.ts'
import { isSignedJoin, peerIdOf, signJoin, type JoinTerms } from './peer-identity.ts'

const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytes => Buffer.from(bytes).toString('hex'))
const terms: fc.Arbitrary<JoinTerms> = fc.record({
  protocol: fc.nat({ max: 3 }),
  server: fc.constantFrom('swarm.example', 'swarm.example:8080', '127.0.0.1:8080', '[::1]:80'),
  challenge: hex,
  run: fc.constantFrom(undefined, 'letters', 'letters-2')
})

test('a signature is good for exactly the terms and the key that it was made with', () => {
  fc.assert(
    fc.property(terms, terms, fc.nat({ max: 3 }), fc.nat({ max: 3 }), fc.constantFrom('protocol', 'server', 'challenge', 'run'), (signed, other, signer, claimed, field) => {
      const signature = signJoin(signed, peerKey(signer))
      const shown = { ...signed, [field]: other[field as keyof JoinTerms] }
      expect(isSignedJoin(signature, shown, peerKey(claimed).publicKey)).toBe(signer === claimed && shown[field as keyof JoinTerms] === signed[field as keyof JoinTerms])
    }),
    runs(40)
  )
})

test('a peer id is 32 hexadecimal digits that follow from the key', () => {
  const ids = [0, 1, 2, 0].map(index => peerIdOf(peerKey(index).publicKey))
  expect(new Set(ids).size).toBe(3)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/)
})
