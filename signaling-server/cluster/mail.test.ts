import { expect, test } from 'vitest'
import { decodeMail, encodeBody, encodeMail, type MailBody } from './mail.ts'

const envelope = { from: 'a', leadership: 'b/1', session: 's', number: 1, taken: 0 }
const post = (body: unknown): string => encodeMail(envelope, JSON.stringify(body))

test('hidden states cross as bytes, in both directions', () => {
  const fragment = Buffer.from([0, 255, 7])
  const report: MailBody = { kind: 'report', report: { kind: 'said', connection: 'c', role: 'volunteer', event: 'stage_fragment', message: { pipeline: 3, fragment }, ask: null } }
  const order: MailBody = { kind: 'order', order: { kind: 'tell', to: ['c'], event: 'stage_fragment', payload: { fragment } } }
  for (const body of [report, order]) expect(decodeMail(encodeMail(envelope, encodeBody(body)!))).toEqual({ ...envelope, body })
})

test.each([
  ['no JSON', '{', /not JSON/],
  ['an unknown kind', post({ kind: 'gossip' }), /^mail: kind must be/],
  ['more than was agreed', post({ kind: 'beat', more: 1 }), /^mail: more must be/],
  ['what no page may say', post({ kind: 'report', report: { kind: 'said', connection: 'c', role: 'volunteer', event: 'run_opened', message: {}, ask: 1 } }), /volunteers send no event "run_opened"/],
  ['a page’s message that is malformed', post({ kind: 'report', report: { kind: 'said', connection: 'c', role: 'volunteer', event: 'link_lost', message: { peer: 1 }, ask: null } }), /^link_lost: peer must be/],
  ['an order that no client would understand', post({ kind: 'order', order: { kind: 'tell', to: ['c'], event: 'introduction', payload: { peer: 'x' } } }), /^introduction: /],
  ['a chunk that is none', post({ kind: 'order', order: { kind: 'retain_chunks', run: 'r', chunks: [{ hash: 'x', size: 1 }] } }), /^mail: order\.chunks\.0\.hash must be/]
])('%s is refused in one line', (_, text, line) => {
  expect(decodeMail(text)).toMatch(line)
})
