/** The one place that knows the validation library (docs/adr/0003). Schemas are strict: an unknown key is malformed. */
import * as v from 'valibot'

export { v }

export interface Malformed {
  readonly kind: 'malformed'
  /** Dotted path of the first offending field; '' is the message itself. */
  readonly path: string
  readonly expected: string
}

export type Decoded<Schema extends v.GenericSchema> = { readonly kind: 'ok'; readonly value: v.InferOutput<Schema> } | Malformed

/** Checks data that crossed a boundary. Never throws. */
export function decode<const Schema extends v.GenericSchema>(schema: Schema, raw: unknown): Decoded<Schema> {
  const parsed = v.safeParse(schema, raw, { abortEarly: true, abortPipeEarly: true })
  if (parsed.success) return { kind: 'ok', value: parsed.output }
  const [issue] = parsed.issues
  return { kind: 'malformed', path: v.getDotPath(issue) ?? '', expected: issue.expected ?? issue.message }
}

/** One line for logs and refusals: what was wrong and where. */
export function describeMalformed(what: string, malformed: Malformed): string {
  return `${what}: ${malformed.path === '' ? 'the message' : malformed.path} must be ${malformed.expected}`
}
