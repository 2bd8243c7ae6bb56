import { v } from '#shared/protocol/schema.ts'

/**
 * What two tabs tell each other to link: one offer, one answer, candidates. simple-peer also understands requests for
 * media and renegotiation; nobody may send us those.
 */
export const signalData = v.variant('type', [
  v.strictObject({ type: v.picklist(['offer', 'answer']), sdp: v.string() }),
  v.strictObject({
    type: v.literal('candidate'),
    candidate: v.strictObject({
      candidate: v.string(),
      sdpMLineIndex: v.nullable(v.number()),
      sdpMid: v.nullable(v.string()),
      usernameFragment: v.optional(v.nullable(v.string()))
    })
  })
])
