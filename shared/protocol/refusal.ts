/** Expected "no" answers. Codes cross the wire, texts never do: each process renders its own. */
import { v } from './schema.ts'

export const REFUSAL_CODES = [
  'malformed',
  'too_large',
  'too_many_requests',
  'unsupported_protocol',
  'unauthorised',
  'not_joined',
  'unknown_run',
  'run_taken',
  'unknown_peer',
  'unknown_chunk',
  'not_found',
  'no_trainer',
  'hash_mismatch',
  'bad_signature',
  'stale_version',
  'storage_full',
  'server_full',
  /** The server is about to close; its successor will take you. */
  'draining',
  /** Of several servers none leads at the moment, or this one has lost touch with the one that does: ask again. */
  'no_leader'
] as const
export type RefusalCode = (typeof REFUSAL_CODES)[number]

export const refusal = v.strictObject({
  kind: v.literal('refused'),
  code: v.picklist(REFUSAL_CODES),
  /** What was wrong and where, for a person; never parsed. */
  detail: v.optional(v.pipe(v.string(), v.maxLength(300)))
})
export type Refusal = v.InferOutput<typeof refusal>

export function refuse(code: RefusalCode, detail?: string): Refusal {
  return detail === undefined ? { kind: 'refused', code } : { kind: 'refused', code, detail: detail.slice(0, 300) }
}
