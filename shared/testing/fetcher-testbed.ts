import { sha256Hex } from '../crypto/sha256.ts'
import { stepChunkFetcher, type FetchEffect, type FetchInput } from '../dissemination/chunk-fetcher.ts'
import { createChunkFetcher } from '../dissemination/fetcher-state.ts'
import type { ChunkReference } from '../protocol/manifest.ts'
import { createRng } from '../random/rng.ts'

/** A chunk whose bytes differ by seed. */
export function chunkOf(size: number, seed = 0): { reference: ChunkReference; bytes: Uint8Array<ArrayBuffer> } {
  const bytes = new Uint8Array(size).map((_, index) => (index * 31 + (index >>> 8) + seed * 101) & 255)
  return { reference: { hash: sha256Hex(bytes), size }, bytes }
}

export type SupplierBehaviour =
  | { readonly does: 'deliver' }
  | { readonly does: 'corrupt' }
  | { readonly does: 'cut_short' }
  | { readonly does: 'lack' }
  | { readonly does: 'fall_silent'; readonly afterPieces: number }
  | { readonly does: 'leave'; readonly afterPieces: number }
  | { readonly does: 'lose'; readonly everyNth: number }

export type Granting = 'share' | 'need' | 'unanswered'

/** Plays suppliers, the server and the origin on a virtual clock. It keeps its own account of what is outstanding. */
export function createFetcherTestbed(chunks: ReturnType<typeof chunkOf>[], suppliers: ReadonlyMap<string, SupplierBehaviour>, originFailures: number, latencies: readonly number[], granting: Granting = 'need') {
  const fetcher = createChunkFetcher()
  const rng = createRng(1)
  const byHash = new Map(chunks.map(chunk => [chunk.reference.hash, chunk]))
  const due: { at: number; order: number; input: FetchInput }[] = []
  const outstanding = new Map([...suppliers.keys()].map(peer => [peer, new Set<string>()]))
  const served = new Map<string, number>()
  const completed = new Map<string, Uint8Array>()
  const refused: string[] = []
  const stalled: string[] = []
  const suspected: (readonly string[])[] = []
  let [now, order, failuresLeft, maxOutstanding, originBytes, completions, askedTwice] = [0, 0, originFailures, 0, 0, 0, 0]

  const later = (input: FetchInput): void => {
    due.push({ at: now + latencies[order % latencies.length]!, order: order++, input })
  }
  const settle = (input: FetchInput): void => {
    if (input.kind === 'piece_arrived') outstanding.get(input.peer)!.delete(`${input.piece.hash}/${input.piece.offset}`)
    if (input.kind !== 'chunk_unavailable') return
    for (const asked of outstanding.get(input.peer)!) if (asked.startsWith(input.hash)) outstanding.get(input.peer)!.delete(asked)
  }
  const supply = (effect: Extract<FetchEffect, { kind: 'ask_piece' }>): void => {
    const { peer, hash, offset, length } = effect
    const behaviour = suppliers.get(peer)!
    if (outstanding.get(peer)!.has(`${hash}/${offset}`)) askedTwice++
    outstanding.get(peer)!.add(`${hash}/${offset}`)
    maxOutstanding = Math.max(maxOutstanding, outstanding.get(peer)!.size)
    const count = (served.get(peer) ?? 0) + 1
    served.set(peer, count)
    const payload = byHash.get(hash)!.bytes.slice(offset, offset + length)
    const arrive = (): void => later({ kind: 'piece_arrived', peer, piece: { hash, offset, sentAt: now, payload } })
    switch (behaviour.does) {
      case 'deliver':
        return arrive()
      case 'corrupt':
        payload[0]! ^= 1
        return arrive()
      case 'cut_short':
        return later({ kind: 'piece_arrived', peer, piece: { hash, offset, sentAt: now, payload: payload.subarray(1) } })
      case 'lack':
        return later({ kind: 'chunk_unavailable', peer, hash })
      case 'fall_silent':
        return count <= behaviour.afterPieces ? arrive() : undefined
      case 'leave':
        if (count <= behaviour.afterPieces) return arrive()
        return count === behaviour.afterPieces + 1 ? later({ kind: 'link_down', peer }) : undefined
      case 'lose':
        return count % behaviour.everyNth === 0 ? undefined : arrive()
    }
  }
  const carryOut = (effects: readonly FetchEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === 'ask_piece') supply(effect)
      if (effect.kind === 'wake_at') due.push({ at: effect.at, order: order++, input: { kind: 'time_passed' } })
      if (effect.kind === 'refuse_chunk') refused.push(effect.peer)
      if (effect.kind === 'supplier_stalled') stalled.push(effect.peer)
      if (effect.kind === 'suspect_sources') suspected.push(effect.sources)
      if (effect.kind === 'chunk_complete') {
        completions++
        completed.set(effect.hash, effect.bytes)
      }
      if (effect.kind === 'ask_grant') {
        const all = chunks.map(({ reference }) => reference.hash)
        later(granting === 'unanswered' ? { kind: 'grant_unanswered', version: effect.version } : { kind: 'origin_granted', version: effect.version, hashes: granting === 'share' || effect.need !== 'share' ? all : [] })
      }
      if (effect.kind === 'ask_origin') {
        const { bytes } = byHash.get(effect.hash)!
        originBytes += bytes.byteLength - effect.offset
        // It fails in turn by answering wrong bytes, too few of them, and not at all.
        const wrong: FetchInput[] = [
          { kind: 'origin_answered', hash: effect.hash, bytes: bytes.slice(effect.offset).map(byte => byte ^ 1) },
          { kind: 'origin_answered', hash: effect.hash, bytes: bytes.slice(effect.offset + 1) },
          { kind: 'origin_failed', hash: effect.hash }
        ]
        later(failuresLeft-- > 0 ? wrong[failuresLeft % 3]! : { kind: 'origin_answered', hash: effect.hash, bytes: bytes.slice(effect.offset) })
      }
    }
  }
  const play = (input: FetchInput): void => carryOut(stepChunkFetcher(fetcher, input, { now, rng }))
  const link = (peer: string): void => {
    play({ kind: 'link_up', peer })
    play({ kind: 'chunks_held', peer, hashes: chunks.map(({ reference }) => reference.hash) })
  }

  return {
    fetcher,
    completed,
    refused,
    stalled,
    suspected,
    now: () => now,
    maxOutstanding: () => maxOutstanding,
    originBytes: () => originBytes,
    completions: () => completions,
    askedTwice: () => askedTwice,
    play,
    link,
    want: () => play({ kind: 'chunks_wanted', version: 1, chunks: chunks.map(({ reference }) => reference) }),
    untilComplete(limitMs: number): void {
      while (completed.size < chunks.length && due.length > 0 && now <= limitMs) {
        due.sort((left, right) => left.at - right.at || left.order - right.order)
        const event = due.shift()!
        now = Math.max(now, event.at)
        settle(event.input)
        play(event.input)
      }
    }
  }
}
