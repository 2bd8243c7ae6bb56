/** What servers of one swarm write to each other, as text. It is checked like everything that comes from outside: another server may be of another version. */
import { challenge, iceServers, joinAnswer, originGrant, submissionAnswer, VOLUNTEER_HEARS } from '#shared/protocol/volunteer-messages.ts'
import { handshake } from '#shared/protocol/handshake.ts'
import { count, peerId, runId } from '#shared/protocol/identifiers.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { chunkReference } from '#shared/protocol/manifest.ts'
import { refusal } from '#shared/protocol/refusal.ts'
import { decode, describeMalformed, v } from '#shared/protocol/schema.ts'
import { policyPublishedAnswer, runOpenedAnswer, TRAINER_ANSWERS, TRAINER_HEARS } from '#shared/protocol/trainer-messages.ts'
import type { DoorOrder, DoorReport, HeardEvent } from '../swarm/door-messages.ts'
import { decodeEvent } from '../swarm/received-events.ts'

/** A message of the largest kind, and what JSON adds to it. */
export const MAIL_BYTES = 2 * LIMITS.socketMessageBytes
const HEARS = { ...VOLUNTEER_HEARS, ...TRAINER_HEARS }

const name = v.pipe(v.string(), v.maxLength(200))
const connection = name
const report = v.variant('kind', [
  v.strictObject({ kind: v.literal('connected'), connection, handshake, identification: v.strictObject({ server: v.pipe(v.string(), v.maxLength(300)), challenge: challenge.entries.challenge }) }),
  v.strictObject({ kind: v.literal('disconnected'), connection }),
  v.strictObject({ kind: v.literal('said'), connection, role: v.picklist(['volunteer', 'trainer']), event: name, message: v.unknown(), ask: v.nullable(count), iceServers: v.optional(iceServers) }),
  v.strictObject({ kind: v.literal('verdicts'), submission: count, answer: submissionAnswer })
])
const order = v.variant('kind', [
  v.strictObject({ kind: v.literal('tell'), to: v.array(connection), event: v.picklist(Object.keys(HEARS) as HeardEvent[]), payload: v.unknown() }),
  v.strictObject({ kind: v.literal('answer'), ask: count, answer: v.union([refusal, joinAnswer, originGrant, policyPublishedAnswer, runOpenedAnswer, submissionAnswer]) }),
  v.strictObject({ kind: v.literal('refuse'), connection, refusal }),
  v.strictObject({ kind: v.literal('submit'), to: connection, submission: count, request: TRAINER_ANSWERS.rollouts_submitted.request }),
  v.strictObject({ kind: v.literal('renew_ice_servers'), to: connection, peer: peerId }),
  v.strictObject({ kind: v.literal('close'), connection }),
  v.strictObject({ kind: v.literal('retain_chunks'), run: runId, chunks: v.array(chunkReference) }),
  v.strictObject({ kind: v.literal('forget_chunks'), run: runId })
])

/** `hello`: a server begins to pass on; `welcome`: the one that leads takes it, and is found at `url`; `beat`: nothing new, but all so far has come; `over`: one of both ends it. */
const body = v.variant('kind', [
  v.strictObject({ kind: v.literal('hello') }),
  v.strictObject({ kind: v.literal('welcome'), url: v.pipe(v.string(), v.url(), v.maxLength(300)) }),
  v.strictObject({ kind: v.literal('beat') }),
  v.strictObject({ kind: v.literal('over') }),
  v.strictObject({ kind: v.literal('report'), report }),
  v.strictObject({ kind: v.literal('order'), order })
])
const envelope = v.strictObject({
  from: name,
  /** Of the one that leads, whoever writes. */
  leadership: name,
  /** From one hello to the end. */
  session: name,
  number: count,
  taken: count,
  body: v.unknown()
})

export type MailBody = { readonly kind: 'hello' | 'beat' | 'over' } | { readonly kind: 'welcome'; readonly url: string } | { readonly kind: 'report'; readonly report: DoorReport } | { readonly kind: 'order'; readonly order: DoorOrder }
export type Envelope = Omit<v.InferOutput<typeof envelope>, 'body'>
export interface Mail extends Envelope {
  readonly body: MailBody
}

/** @returns undefined: larger than mail may be */
export function encodeBody(content: MailBody): string | undefined {
  const text = JSON.stringify(withTextFragment(content))
  return text.length > MAIL_BYTES ? undefined : text
}

export function encodeMail(envelope: Envelope, body: string): string {
  return `${JSON.stringify(envelope).slice(0, -1)},"body":${body}}`
}

/** @returns what is wrong with it, in one line */
export function decodeMail(text: string): Mail | string {
  if (text.length > MAIL_BYTES * 1.01) return `mail of ${text.length} characters`
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return 'mail that is not JSON'
  }
  const decoded = decode(envelope, raw)
  if (decoded.kind === 'malformed') return describeMalformed('mail', decoded)
  const content = decode(body, decoded.value.body)
  if (content.kind === 'malformed') return describeMalformed('mail', content)
  const inner = withByteFragment(content.value as MailBody)
  const fault = innerFault(inner)
  return fault ?? { ...decoded.value, body: inner }
}

/** What a page or a trainer said, and what it is told, have schemas of their own. */
function innerFault(content: MailBody): string | undefined {
  if (content.kind === 'report' && content.report.kind === 'said') {
    const { role, event, message } = content.report
    const decoded = decodeEvent(role, event, message)
    return decoded.kind === 'refused' ? (decoded.detail ?? decoded.code) : undefined
  }
  if (content.kind !== 'order' || content.order.kind !== 'tell') return undefined
  const { event, payload } = content.order
  const decoded = decode(HEARS[event] as v.GenericSchema, payload)
  return decoded.kind === 'malformed' ? describeMalformed(event, decoded) : undefined
}

/** Hidden states are the only bytes in messages; in mail they are base64. */
function withTextFragment(content: MailBody): MailBody {
  return mapFragment(content, fragment => (fragment instanceof ArrayBuffer ? Buffer.from(fragment) : Buffer.from((fragment as Uint8Array).buffer, (fragment as Uint8Array).byteOffset, (fragment as Uint8Array).byteLength)).toString('base64'))
}

function withByteFragment(content: MailBody): MailBody {
  return mapFragment(content, fragment => (typeof fragment === 'string' ? Buffer.from(fragment, 'base64') : fragment))
}

function mapFragment(content: MailBody, map: (fragment: unknown) => unknown): MailBody {
  const mapped = (message: unknown): object => {
    const { fragment, ...rest } = message as { fragment?: unknown }
    return { ...rest, fragment: map(fragment) }
  }
  if (content.kind === 'report' && content.report.kind === 'said' && content.report.event === 'stage_fragment') return { ...content, report: { ...content.report, message: mapped(content.report.message) } }
  if (content.kind === 'order' && content.order.kind === 'tell' && content.order.event === 'stage_fragment') return { ...content, order: { ...content.order, payload: mapped(content.order.payload) } }
  return content
}
