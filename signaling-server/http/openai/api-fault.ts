/** An expected "no" of the API, in the shape that OpenAI's clients read. */
import type { MissingLayers, MissingReason } from '#shared/scheduling/missing-layers.ts'
import type { ServingRefusal } from '../../serving-port.ts'

const FAULTS = {
  malformed: [400, 'invalid_request_error'],
  unsupported_parameter: [400, 'invalid_request_error'],
  unsupported_value: [400, 'invalid_request_error'],
  context_length_exceeded: [400, 'invalid_request_error'],
  /** The run has no tokenizer here: only token ids can be served. */
  no_tokenizer: [400, 'invalid_request_error'],
  /** The text has characters that the model has no tokens for. */
  not_in_vocabulary: [400, 'invalid_request_error'],
  invalid_api_key: [401, 'authentication_error'],
  /** The server has no keys, so it answers on its own machine only. */
  loopback_only: [403, 'permission_error'],
  model_not_found: [404, 'invalid_request_error'],
  unknown_url: [404, 'invalid_request_error'],
  too_large: [413, 'invalid_request_error'],
  unsupported_media_type: [415, 'invalid_request_error'],
  too_many_requests: [429, 'rate_limit_error'],
  failed: [500, 'server_error'],
  layers_missing: [503, 'server_error'],
  /** The layers are held, but not at the version that was asked for. */
  stale_version: [503, 'server_error'],
  /** Too many tabs left while they worked on it. */
  interrupted: [503, 'server_error'],
  shutting_down: [503, 'server_error'],
  /** Of several servers none leads, or the one that does is not reached. */
  no_leader: [503, 'server_error']
} as const satisfies Record<string, readonly [status: number, type: string]>

export type FaultCode = keyof typeof FAULTS

export interface ApiFault {
  readonly kind: 'fault'
  readonly code: FaultCode
  readonly message: string
  /** The parameter that is wrong. */
  readonly param: string | null
  readonly missing: readonly MissingLayers[]
}

export function fault(code: FaultCode, message: string, param: string | null = null, missing: readonly MissingLayers[] = []): ApiFault {
  return { kind: 'fault', code, message, param, missing }
}

export function faultStatus({ code }: ApiFault): number {
  return FAULTS[code][0]
}

export function faultBody({ code, message, param, missing }: ApiFault): object {
  return { error: { message, type: FAULTS[code][1], param, code, ...(missing.length > 0 && { missing }) } }
}

const MISSING_WORDS: Readonly<Record<MissingReason, string>> = {
  absent_peer: 'no tab that is ready holds them',
  no_memory: 'no tab has memory left for them',
  no_link: 'no link leads to the tabs that hold them',
  stale_version: 'the tabs that hold them have another version'
}

const REFUSAL_WORDS: Readonly<Record<ServingRefusal['code'], string>> = {
  too_many_requests: 'too many others are waiting already; try again in a moment',
  layers_missing: 'part of the model cannot be served at the moment',
  stale_version: 'no tabs that hold the whole model together have this version; a newer one may be served',
  interrupted: 'tabs left too often while they worked on it',
  unknown_version: 'it is not kept any more',
  shutting_down: 'the server is closing'
}

/** @param model the version's full name */
export function faultOfRefusal({ code, missing }: ServingRefusal, model: string): ApiFault {
  const layers = missing.map(({ layers: { start, end }, reason }) => `${end - start === 1 ? `layer ${start}` : `layers ${start} to ${end - 1}`}: ${MISSING_WORDS[reason]}`)
  const message = `${model}: ${[REFUSAL_WORDS[code], ...layers].join('; ')}`
  return code === 'unknown_version' ? fault('model_not_found', message, 'model') : fault(code, message, null, missing)
}
