/**
 * One direction and back between two servers that write into each other's mailbox: nothing is taken twice or out of turn, a loss is seen, and what the other has not taken yet is bounded.
 * Each mail carries its number and how many of the other's were taken.
 */
export const LINK_LIMITS = {
  /** Mails that the other has not confirmed. */
  mails: 16_384,
  /** Bytes of them: some messages of the largest kind. */
  bytes: 64 * 1024 * 1024
} as const

export interface OrderedLink {
  sent: number
  taken: number
  /** Of ours, in order: what the other has not confirmed. */
  readonly unconfirmed: { readonly number: number; readonly bytes: number }[]
  unconfirmedBytes: number
  /** Of theirs, since we last told them how many we have taken. */
  untold: { mails: number; bytes: number }
}

export interface MailNumbers {
  /** From 1 on. */
  readonly number: number
  /** How many the sender has taken. */
  readonly taken: number
}

export function createOrderedLink(): OrderedLink {
  return { sent: 0, taken: 0, unconfirmed: [], unconfirmedBytes: 0, untold: { mails: 0, bytes: 0 } }
}

/** @returns what to write beside the mail; undefined: the other does not keep up, the link has to be given up */
export function numberMail(link: OrderedLink, bytes: number): MailNumbers | undefined {
  if (link.unconfirmed.length >= LINK_LIMITS.mails || (link.unconfirmed.length > 0 && link.unconfirmedBytes + bytes > LINK_LIMITS.bytes)) return undefined
  const number = ++link.sent
  link.unconfirmed.push({ number, bytes })
  link.unconfirmedBytes += bytes
  link.untold = { mails: 0, bytes: 0 }
  return { number, taken: link.taken }
}

/** @returns `next`: deal with it; `known`: it was dealt with; `lost`: one before it will not come, the link has to be given up */
export function takeMail(link: OrderedLink, { number, taken }: MailNumbers, bytes: number): 'next' | 'known' | 'lost' {
  if (number <= link.taken) return 'known'
  if (number > link.taken + 1 || taken > link.sent) return 'lost'
  link.taken = number
  link.untold.mails++
  link.untold.bytes += bytes
  const confirmed = link.unconfirmed.findIndex(mail => mail.number > taken)
  for (const mail of link.unconfirmed.splice(0, confirmed === -1 ? link.unconfirmed.length : confirmed)) link.unconfirmedBytes -= mail.bytes
  return 'next'
}

/** Whether the other should hear soon how far we are: it may be about to run out of room. */
export function owesConfirmation({ untold }: OrderedLink): boolean {
  return untold.mails >= LINK_LIMITS.mails / 4 || untold.bytes >= LINK_LIMITS.bytes / 4
}
