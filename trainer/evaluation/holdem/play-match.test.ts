import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { holdem, type HoldemState, type HoldemTask } from '#shared/environments/holdem.ts'
import type { Episode } from '#shared/environments/episode.ts'
import { PLAYERS } from '#shared/environments/holdem/players.ts'
import { createRng } from '#shared/random/rng.ts'
import { heldOutTasks } from '../greedy-success.ts'
import { playEpisodes } from '../play-episodes.ts'
import { openModel, type StoredPolicy } from '../stored-policy.ts'
import type { AskedOpponent } from './asked-opponent.ts'
import { EndpointOpponent } from './endpoint-opponent.ts'
import { playMatch } from './play-match.ts'
import { PolicyOpponent } from './policy-opponent.ts'

const LIMITS = { turns: 6, maxTokens: 2, rolloutTokens: 256 }
const OPTIONS = { opponent: 'tight-aggressive', bigBlind: 2, stack: 100, maxTurns: 6 } as const
const environment = holdem(OPTIONS)
const tasks = heldOutTasks(environment, 48)
let stored: StoredPolicy

beforeAll(async () => {
  stored = await openModel('public/models/murmuration-tasks')
})

afterAll(() => stored.close())

function match(opponent: AskedOpponent, hands: readonly HoldemTask[] = tasks): Promise<Episode<HoldemState>[]> {
  return playMatch(stored.policy, environment, opponent, hands.map(task => ({ task })), LIMITS)
}

const won = (episodes: readonly Episode[]): number[] => episodes.map(({ metrics }) => metrics['bigBlinds']!)

test('whoever is asked and plays as a computed opponent makes the same hands', async () => {
  const asked: AskedOpponent = {
    decide: decisions =>
      Promise.resolve(
        decisions.map(({ hand, view }) => PLAYERS['tight-aggressive'](view, createRng(`holdem opponent/${tasks[hand]!.deal}/${view.actions.filter(({ seat }) => seat === view.seat).length}`)))
      )
  }
  const computed = await playEpisodes(stored.policy, environment, tasks.map(task => ({ task })), LIMITS)
  const played = await match(asked)
  expect(played.map(({ tokens, metrics }) => ({ tokens, metrics }))).toEqual(computed.map(({ tokens, metrics }) => ({ tokens, metrics })))
  expect(played.some(({ state }) => state.task.recorded!.length > 2)).toBe(true)
})

test('a policy in the other seat is shown and does what it is shown and does when it is measured', async () => {
  const { engine, tokenizer } = stored.policy
  for (let hand = 0; hand < 16; hand += 2) {
    const shown: string[] = []
    const listening = { ...tokenizer, encode: (text: string) => (shown.push(text), tokenizer.encode(text)) }
    const [other] = await match(new PolicyOpponent({ engine, tokenizer: listening }, LIMITS), [tasks[hand]!])
    const [measured] = await match(new PolicyOpponent(stored.policy, LIMITS), [tasks[hand + 1]!])
    expect(other!.state.hand.actions).toEqual(measured!.state.hand.actions)
    // The other folded before it had to act.
    const decided = measured!.turns.filter(turn => !turn.shown.endsWith(' won:'))
    expect(shown).toEqual(decided.map(turn => turn.shown))
  }
})

test('a policy that may not speak checks, or folds to a bet', async () => {
  const folder: AskedOpponent = { decide: decisions => Promise.resolve(decisions.map(({ view }) => (view.legal.fold ? { kind: 'fold' } : { kind: 'call' }))) }
  expect(won(await match(new PolicyOpponent(stored.policy, { ...LIMITS, turns: 0 })))).toEqual(won(await match(folder)))
})

/** Speaks as an endpoint does, in this process. */
async function endpoint(answer: (request: IncomingMessage, body: string, response: ServerResponse) => void): Promise<{ readonly url: string; readonly close: () => void }> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => answer(request, Buffer.concat(parts).toString('utf8'), response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, close: () => server.close() }
}

const says = (content: string): string => JSON.stringify({ id: 'x', choices: [{ index: 0, message: { role: 'assistant', content } }] })

test('an endpoint is asked with what its seat sees and no more, and its letters are its actions', async () => {
  const asked: { readonly path: string; readonly key: string | undefined; readonly body: { readonly model: string; readonly messages: { readonly role: string; readonly content: string }[] } }[] = []
  const { url, close } = await endpoint((request, body, response) => {
    asked.push({ path: request.url!, key: request.headers.authorization, body: JSON.parse(body) as never })
    response.end(says(' **C**.\n'))
  })
  const hands = tasks.slice(0, 8)
  const played = await match(new EndpointOpponent({ url, model: 'caller', apiKey: 'secret' }), hands)
  close()
  const caller: AskedOpponent = { decide: decisions => Promise.resolve(decisions.map(() => ({ kind: 'call' }))) }
  expect(won(played)).toEqual(won(await match(caller, hands)))
  expect(asked.length).toBe(played.reduce((sum, { state }) => sum + state.task.recorded!.length, 0))
  for (const { path, key, body } of asked) {
    expect({ path, key, model: body.model }).toEqual({ path: '/v1/chat/completions', key: 'Bearer secret', model: 'caller' })
    // Two cards of its own, and those of the board.
    const [cards, board] = [/Your cards: (.*)\. You/.exec(body.messages[1]!.content)![1]!, /Board: (.*)\./.exec(body.messages[1]!.content)![1]!]
    expect(cards).toMatch(/^[2-9TJQKA][shdc] [2-9TJQKA][shdc]$/)
    expect(board).toMatch(/^none yet$|^(?:[2-9TJQKA][shdc] ?){3,5}$/)
  }
})

test('an answer that names nothing legal is a check or a fold', async () => {
  const { url, close } = await endpoint((_request, _body, response) => response.end(says('I raise to 1000000!')))
  const hands = tasks.slice(0, 8)
  const folder: AskedOpponent = { decide: decisions => Promise.resolve(decisions.map(({ view }) => (view.legal.fold ? { kind: 'fold' } : { kind: 'call' }))) }
  expect(won(await match(new EndpointOpponent({ url, model: 'talker' }), hands))).toEqual(won(await match(folder, hands)))
  close()
})

test.each([
  ['status 401: no key', (response: ServerResponse) => response.writeHead(401).end('no\nkey')],
  ["the opponent's answer is not JSON", (response: ServerResponse) => response.end('<html>')],
  ["the opponent's answer: choices must be", (response: ServerResponse) => response.end('{"choices": []}')],
  ['it sends more than 65536 bytes', (response: ServerResponse) => response.end(says('c'.repeat(70_000)))],
  ['the opponent does not answer', (response: ServerResponse) => response.destroy()]
])('an endpoint that does not answer as one should ends the match with one line: %s', async (line, answer) => {
  const { url, close } = await endpoint((_request, _body, response) => answer(response))
  const failure = match(new EndpointOpponent({ url, model: 'broken' }), tasks.slice(0, 2))
  await expect(failure).rejects.toMatchObject({ name: 'UserError', message: expect.stringContaining(line) as string })
  await expect(failure).rejects.toMatchObject({ message: expect.stringContaining(url) as string })
  close()
})
