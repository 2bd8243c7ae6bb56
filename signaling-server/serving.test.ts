import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { manifestHash } from '#shared/dissemination/manifest.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import type { PlaceAssigned, SequenceRequested, SequencesGenerated } from '#shared/protocol/stage-messages.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { describedRun, peerName, publishedVersion, RUN } from '#shared/testing/swarm-fixtures.ts'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { startSignalingServer, type SignalingServer } from './server.ts'
import { LoopbackClient, publish, TOKEN } from './testing/loopback.ts'

/** The API, the directory and tabs that only say what tabs say, over real sockets. */

const base = publishedVersion(0)
const config = tinyConfig({ layers: 2, contextLength: 32 })
const ROOM = 64 * 1024 * 1024

let root: string
let server: SignalingServer
let clients: LoopbackClient[]
let beating: ReturnType<typeof setInterval>[]

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'serving-'))
  clients = []
  beating = []
  await openServer({ drainMs: 60_000 })
})

async function openServer(change: { readonly drainMs: number }): Promise<void> {
  server = await startSignalingServer({ port: 0, host: '127.0.0.1', page: join(root, 'dist'), models: join(root, 'models'), trainerToken: TOKEN, ...change })
  const trainer = client({ role: 'trainer', token: TOKEN })
  const description = describedRun({ model: toHuggingFaceConfig(config) })
  await trainer.ask('run_opened', { protocol: PROTOCOL_VERSION, description, newest: 0, tokenizer: null })
  await publish(server.url, trainer, base)
}

afterEach(async () => {
  for (const timer of beating) clearInterval(timer)
  for (const client of clients) client.socket.disconnect()
  await server.close()
  await rm(root, { recursive: true })
})

function client(auth: ConstructorParameters<typeof LoopbackClient>[1]): LoopbackClient {
  const created = new LoopbackClient(server.url, auth)
  clients.push(created)
  return created
}

async function joined(index: number, memoryBytes: number): Promise<LoopbackClient> {
  const tab = client({ role: 'volunteer' })
  await tab.ask('join', await tab.joinRequest(index, { memory: { memoryBytes, largestTensorBytes: memoryBytes } }))
  // However long a test takes, nobody falls silent.
  beating.push(setInterval(() => tab.tell('heartbeat', { workMs: 0, roundMs: 0 }), 400))
  return tab
}

/** A tab with the whole model, as a pipeline that is open. */
async function openTab(): Promise<{ readonly tab: LoopbackClient; readonly pipeline: number }> {
  const tab = await joined(1, ROOM)
  const { layers } = await tab.hear<{ layers: object }>('slice_assigned')
  tab.tell('version_held', { run: RUN, version: 0, manifestHash: manifestHash(base.manifest) })
  tab.tell('slice_ready', { layers, engine: 'wasm', rows: 8 })
  const { pipeline } = await tab.hear<PlaceAssigned>('place_assigned')
  tab.tell('place_taken', { pipeline })
  await tab.hear('pipeline_open')
  return { tab, pipeline }
}

function complete(body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: RUN, prompt: [1, 5], max_tokens: 3, return_token_ids: true, ...body }),
    ...(signal !== undefined && { signal })
  })
}

test('what a tab generates is the answer of the API', async () => {
  const { tab, pipeline } = await openTab()
  const answer = complete({})
  const { requests } = await tab.hear<{ requests: SequenceRequested[] }>('sequences_requested')
  expect(requests).toMatchObject([{ prompt: [1, 5], maxTokens: 3, version: 0, drawn: { tokens: [] } }])
  const { key } = requests[0]!
  const say = (tokens: number[], finish: 'stop' | 'length' | null): void => tab.tell('sequences_generated', { pipeline, sequences: [{ key, tokens, logProbs: tokens.map(() => -1), finish }] } satisfies SequencesGenerated)
  say([7, 8], null)
  say([9], 'length')
  const response = await answer
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ choices: [{ token_ids: [7, 8, 9], finish_reason: 'length' }] })
})

test('a server that is told to close lets begun answers end, takes nobody new, and tells nobody that others are gone', async () => {
  const { tab, pipeline } = await openTab()
  const other = await joined(2, ROOM)
  expect(await other.hear('introduction')).toMatchObject({ peer: peerName(1) })
  const gone: unknown[] = []
  for (const { socket } of [tab, other]) socket.on('peer_gone', told => gone.push(told))
  const answer = complete({})
  const { requests } = await tab.hear<{ requests: SequenceRequested[] }>('sequences_requested')
  const closed = server.close()

  const ready = await fetch(`${server.url}/health/ready`)
  expect([ready.status, await ready.json()]).toEqual([503, { status: 'draining' }])
  expect((await fetch(`${server.url}/health`)).status).toBe(200)
  const late = client({ role: 'volunteer' })
  expect(await late.ask('join', await late.joinRequest(3))).toMatchObject({ kind: 'refused', code: 'draining' })
  expect((await complete({})).status).toBe(503)

  const ended = [tab, other, late].map(({ socket }) => new Promise(resolve => socket.once('disconnect', resolve)))
  tab.tell('sequences_generated', { pipeline, sequences: [{ key: requests[0]!.key, tokens: [7], logProbs: [-1], finish: 'stop' }] } satisfies SequencesGenerated)
  expect((await answer).status).toBe(200)
  for (const page of [tab, other, late]) expect(await page.hear('bye')).toEqual({ retryAfterMs: expect.any(Number) })
  await Promise.all([closed, ...ended])
  expect(gone).toEqual([])
})

test('a client that goes away frees its row: the tab is told to give the sequence up', async () => {
  const { tab, pipeline } = await openTab()
  const leaving = new AbortController()
  const answer = complete({ stream: true }, leaving.signal).catch((error: unknown) => error)
  const { requests } = await tab.hear<{ requests: SequenceRequested[] }>('sequences_requested')
  leaving.abort()
  await answer
  expect(await tab.hear('sequences_given_up')).toEqual({ pipeline, keys: requests.map(({ key }) => key) })
})

test('a server that closes ends what takes longer than its grace with a reason', async () => {
  await server.close()
  await openServer({ drainMs: 50 })
  const { tab } = await openTab()
  const answer = complete({})
  await tab.hear('sequences_requested')
  const closed = server.close()
  expect((await answer).status).toBe(503)
  await closed
})

test('fragments of neighbours that cannot be linked pass through as bytes', async () => {
  const half = 600 * 1024
  const [one, two] = [await joined(1, half), await joined(2, half)]
  const tabs = new Map([[peerName(1), one], [peerName(2), two]])
  for (const tab of tabs.values()) tab.tell('slice_ready', { layers: (await tab.hear<{ layers: object }>('slice_assigned')).layers, engine: 'wasm', rows: 8 })
  await one.hear('place_assigned')
  await two.hear('place_assigned')
  one.tell('link_lost', { peer: peerName(2) })
  const place = await one.hear<PlaceAssigned>('place_assigned')
  expect(place.next).toEqual({ peer: peerName(2), path: 'relay' })
  one.tell('stage_fragment', { pipeline: place.pipeline, fragment: Uint8Array.of(1, 2, 3) })
  const { fragment } = await two.hear<{ fragment: Uint8Array }>('stage_fragment')
  expect([...fragment]).toEqual([1, 2, 3])
  one.tell('stage_fragment', { pipeline: place.pipeline, fragment: new Uint8Array(LIMITS.stageFragmentBytes + 1) })
  expect(await one.hear('refused')).toMatchObject({ code: 'malformed', detail: expect.stringContaining('stage_fragment') })
  one.tell('stage_fragment', { pipeline: place.pipeline, fragment: Uint8Array.of(4) })
  expect([...(await two.hear<{ fragment: Uint8Array }>('stage_fragment')).fragment]).toEqual([4])
})
