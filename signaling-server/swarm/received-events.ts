/** What each role may say: which events, how large, of which schema. */
import type { Handshake } from '#shared/protocol/handshake.ts'
import { count } from '#shared/protocol/identifiers.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { refuse, type Refusal } from '#shared/protocol/refusal.ts'
import { decode, describeMalformed, v } from '#shared/protocol/schema.ts'
import { TRAINER_ASKS, TRAINER_TELLS } from '#shared/protocol/trainer-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { VOLUNTEER_ASKS, VOLUNTEER_TELLS } from '#shared/protocol/volunteer-messages.ts'

const MESSAGES = {
  observer: {},
  volunteer: { ...VOLUNTEER_ASKS, ...VOLUNTEER_TELLS },
  trainer: { ...TRAINER_ASKS, ...TRAINER_TELLS }
} as const

/** Events whose payload may be large; all others are small. */
const LARGE_EVENTS = new Set(['run_opened', 'rollouts_submitted', 'policy_published', 'lease_granted', 'run_feed', 'sequences_generated', 'stage_fragment'])
const SMALL_EVENT_BYTES = 2 * LIMITS.signalBytes
const ofSomeProtocol = v.looseObject({ protocol: count })

export function isEventOf(role: Handshake['role'], event: string): boolean {
  return Object.hasOwn(MESSAGES[role], event)
}

export function decodeEvent(role: Handshake['role'], event: string, payload: unknown): { readonly kind: 'decoded'; readonly message: unknown } | Refusal {
  const schema = isEventOf(role, event) ? MESSAGES[role][event as never] : undefined
  if (schema === undefined) return refuse('malformed', `${role}s send no event "${event.slice(0, 40)}"`)
  const bytes = LARGE_EVENTS.has(event) ? 0 : (JSON.stringify(payload)?.length ?? 0)
  if (bytes > SMALL_EVENT_BYTES) return refuse('too_large', `${event}: ${bytes} bytes, at most ${SMALL_EVENT_BYTES}`)
  const decoded = decode(schema, payload)
  if (decoded.kind === 'ok') return { kind: 'decoded', message: decoded.value }
  // What another protocol calls a join may well look different: its page has to be reloaded, and hears so.
  const versioned = decode(ofSomeProtocol, payload)
  if (versioned.kind === 'ok' && versioned.value.protocol !== PROTOCOL_VERSION) return refuse('unsupported_protocol', `this server speaks protocol ${PROTOCOL_VERSION}, the message is of ${versioned.value.protocol}`)
  return refuse('malformed', describeMalformed(event, decoded))
}
