import { afterEach, expect, test } from 'vitest'
import { fragmentsOf } from '#shared/pipeline/frame-fragments.ts'
import type { PlaceAssigned } from '#shared/protocol/stage-messages.ts'
import type { PipelinePlace } from '../worker/stage-worker-api.ts'
import { PipelinePlaces } from './pipeline-places.ts'

const [A, B] = ['a'.repeat(32), 'b'.repeat(32)]
const open: MessagePort[] = []
afterEach(() => open.splice(0).forEach(port => port.close()))

const fragment = (pipeline: number, byte: number): Uint8Array<ArrayBuffer> => fragmentsOf(pipeline, Uint8Array.of(byte)).next().value!

function placeOf(change: Partial<PlaceAssigned> = {}): PlaceAssigned {
  return { pipeline: 1, stage: 1, stages: 3, previous: { peer: A, path: 'link' }, next: { peer: B, path: 'link' }, encoding: 'f32', rows: 8, ...change }
}

/** A page whose links, worker and server write down what they are told. */
function page(linked: string[] = []) {
  const joined: PipelinePlace[] = []
  const told: string[] = []
  const sent: [string, number[]][] = []
  const places = new PipelinePlaces({
    isLinked: peer => linked.includes(peer),
    sendOverLink: (peer, bytes) => void sent.push([peer, [...bytes]]),
    relay: (pipeline, bytes) => void sent.push([`relay ${pipeline}`, [...bytes]]),
    join: place => {
      joined.push(place)
      told.push(`join ${place.pipeline}`)
      open.push(...[place.incoming, place.outgoing].filter(port => port !== undefined))
    },
    tune: (pipeline, batching) => void told.push(`tune ${pipeline} ${JSON.stringify(batching)}`),
    leave: pipeline => void told.push(`leave ${pipeline}`),
    taken: pipeline => void told.push(`taken ${pipeline}`)
  })
  return { places, joined, told, sent, linked }
}

const next = (port: MessagePort): Promise<unknown> => new Promise(resolve => port.addEventListener('message', ({ data }) => resolve(data), { once: true }))

test('a place is taken when both links are there, and a later stage joins its worker before it says so', () => {
  const { places, told, linked } = page([A])
  places.assign(placeOf())
  expect(told).toEqual([])
  linked.push(B)
  places.linkUp()
  places.linkUp()
  expect(told).toEqual(['join 1', 'taken 1'])
  expect(told).toHaveLength(2)
})

test('a first stage begins only when the pipeline is open; one of a single stage has no channels', () => {
  const { places, told, joined } = page()
  places.assign(placeOf({ stage: 0, stages: 1, previous: null, next: null }))
  expect(told).toEqual(['taken 1'])
  places.opened(2, 3)
  expect(told).toEqual(['taken 1'])
  places.opened(1, 3)
  places.opened(1, 4)
  expect(told).toEqual(['taken 1', 'join 1', 'tune 1 4'])
  expect(joined).toEqual([{ pipeline: 1, encoding: 'f32', rows: 8, batching: 3 }])
})

test('fragments pass through: from the stage before to the worker, from the worker to the next stage', async () => {
  const { places, joined, sent } = page([A])
  places.assign(placeOf({ next: { peer: B, path: 'relay' } }))
  const { incoming, outgoing } = joined[0]!
  const arrived = next(incoming!)
  incoming!.start()
  places.fragmentFrom(B, fragment(1, 7))
  places.fragmentFrom(A, fragment(2, 8))
  places.relayed(fragment(1, 9))
  places.fragmentFrom(A, fragment(1, 5))
  expect(await arrived).toEqual(fragment(1, 5))
  outgoing!.postMessage(fragment(1, 6), [])
  await expect.poll(() => sent).toEqual([['relay 1', [...fragment(1, 6)]]])
})

test('what comes over the relay is taken where the path is one', async () => {
  const { places, joined } = page([B])
  places.assign(placeOf({ previous: { peer: A, path: 'relay' } }))
  const { incoming } = joined[0]!
  const arrived = next(incoming!)
  incoming!.start()
  places.fragmentFrom(A, fragment(1, 5))
  places.relayed(fragment(1, 6))
  expect(await arrived).toEqual(fragment(1, 6))
})

test('another place replaces the one before; a place that was never joined is not left', () => {
  const { places, told, linked } = page([A, B])
  places.assign(placeOf())
  linked.length = 0
  places.assign(placeOf({ pipeline: 2 }))
  expect(places.pipeline).toBe(2)
  places.giveUp()
  expect(places.pipeline).toBeUndefined()
  expect(told).toEqual(['join 1', 'taken 1', 'leave 1'])
})
