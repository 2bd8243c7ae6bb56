/**
 * The random numbers of a rollout, fixed by the trainer before anybody samples. A tab has no freedom: whoever generates
 * rollout `prompt/index` of a run at a version draws the same tokens, and the trainer can recompute every draw.
 */
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

const SEED_BYTES = 32
const WORDS_PER_BLOCK = 8

/**
 * HMAC-SHA256(run secret, "rollout/<prompt>/<index>"): nobody without the secret can tell the seeds of prompts to come.
 * @param runSecret at least 32 random bytes, never sent
 * @returns 64 hexadecimal digits
 */
export function rolloutSeed(runSecret: Uint8Array, prompt: number, index: number): string {
  if (runSecret.byteLength < SEED_BYTES) throw new RangeError(`a run secret has at least ${SEED_BYTES} bytes, not ${runSecret.byteLength}`)
  return bytesToHex(hmac(sha256, runSecret, utf8ToBytes(`rollout/${prompt}/${index}`)))
}

/**
 * The uniform that draws a rollout's token t: word t of SHA-256 in counter mode, SHA-256(seed ‖ uint32(⌊t/8⌋)), big-endian.
 * @param seed 64 hexadecimal digits
 * @param t position in the completion, from 0
 * @returns a multiple of 2⁻³² in [0, 1)
 */
export function uniform(seed: string, t: number): number {
  const block = new Uint8Array(SEED_BYTES + 4)
  block.set(hexToBytes(seed))
  new DataView(block.buffer).setUint32(SEED_BYTES, Math.floor(t / WORDS_PER_BLOCK))
  const digest = sha256(block)
  return new DataView(digest.buffer, digest.byteOffset).getUint32(4 * (t % WORDS_PER_BLOCK)) / 2 ** 32
}
