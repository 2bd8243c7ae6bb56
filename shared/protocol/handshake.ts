/** socket.io's `auth` object: who connects. Everybody also receives the feed of the run they name (absent: the newest). */
import { runId } from './identifiers.ts'
import { v } from './schema.ts'

export const handshake = v.variant('role', [
  v.strictObject({ role: v.literal('volunteer') }),
  v.strictObject({ role: v.literal('observer'), run: v.optional(runId) }),
  v.strictObject({ role: v.literal('trainer'), token: v.pipe(v.string(), v.maxLength(200)) })
])
export type Handshake = v.InferOutput<typeof handshake>
