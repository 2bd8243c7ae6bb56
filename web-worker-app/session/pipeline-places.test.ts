import { afterEach, expect, test } from 'vitest'
import { fragmentsOf } from '#shared/pipeline/frame-fragments.ts'
import type { PlaceAssigned } from '#shared/protocol/stage-messages.ts'
import type { PlaceRoutes } from '../mesh/stage-routes.ts'
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
  const routes: PlaceRoutes[] = []
  let opened = (): void => undefined
  const places = new PipelinePlaces({
    isLinked: peer => linked.includes(peer),
    openRoutes: opening => {
      routes.push(opening)
      open.push(...[opening.from?.port, opening.to?.port].filter(port => port !== undefined))
      return new Promise(resolve => (opened = resolve))
    },
    closeRoutes: pipeline => void told.push(`close routes ${pipeline}`),
    relay: (pipeline, bytes) => void sent.push([`relay ${pipeline}`, [...bytes]]),
    broken: (pipeline, reason) => void told.push(`broken ${pipeline}: ${reason}`),
    join: place => {
      joined.push(place)
      told.push(`join ${place.pipeline}`)
      open.push(...[place.incoming, place.outgoing].filter(port => port !== undefined))
    },
    tune: (pipeline, batching) => void told.push(`tune ${pipeline} ${JSON.stringify(batching)}`),
    leave: pipeline => void told.push(`leave ${pipeline}`),
    taken: pipeline => void told.push(`taken ${pipeline}`)
  })
  return { places, joined, told, sent, linked, routes, opened: () => opened() }
}

const next = (port: MessagePort): Promise<unknown> => new Promise(resolve => port.addEventListener('message', ({ data }) => resolve(data), { once: true }))

test('a place is taken when both links are there; a later stage has joined its worker and its links before it says so', async () => {
  const { places, told, linked, routes, opened } = page([A])
  places.assign(placeOf())
  expect(told).toEqual([])
  linked.push(B)
  places.linkUp()
  places.linkUp()
  expect(told).toEqual(['join 1'])
  expect(routes).toEqual([{ pipeline: 1, from: { peer: A, port: expect.any(MessagePort) }, to: { peer: B, port: expect.any(MessagePort) } }])
  opened()
  await expect.poll(() => told).toEqual(['join 1', 'taken 1'])
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

test('the worker is joined with the link to one neighbour and with the relay to the other', async () => {
  const { places, joined, sent, routes, opened } = page([A])
  places.assign(placeOf({ next: { peer: B, path: 'relay' } }))
  opened()
  const { incoming, outgoing } = joined[0]!
  const arrived = next(incoming!)
  incoming!.start()
  expect(routes).toEqual([{ pipeline: 1, from: { peer: A, port: expect.any(MessagePort) } }])
  places.relay!.heard(fragment(1, 9))
  routes[0]!.from!.port.postMessage(fragment(1, 5), [])
  expect(await arrived).toEqual(fragment(1, 5))
  outgoing!.postMessage(fragment(1, 6), [])
  await expect.poll(() => sent).toEqual([['relay 1', [...fragment(1, 6)]]])
})

test('what comes over the relay is taken where the path is one, and of this pipeline only', async () => {
  const { places, joined, routes } = page([B])
  places.assign(placeOf({ previous: { peer: A, path: 'relay' } }))
  const { incoming } = joined[0]!
  const arrived = next(incoming!)
  incoming!.start()
  expect(routes).toEqual([{ pipeline: 1, to: { peer: B, port: expect.any(MessagePort) } }])
  places.relay!.heard(fragment(2, 5))
  places.relay!.heard(fragment(1, 6))
  expect(await arrived).toEqual(fragment(1, 6))
})

test('what is relayed before the links of the place are there waits for the worker', async () => {
  const { places, joined, linked } = page()
  places.assign(placeOf({ previous: { peer: A, path: 'relay' } }))
  places.relay!.heard(fragment(1, 6))
  linked.push(B)
  places.linkUp()
  const { incoming } = joined[0]!
  const arrived = next(incoming!)
  incoming!.start()
  expect(await arrived).toEqual(fragment(1, 6))
})

test('a place that the tab gives up itself is told of once, with a relay and without; nothing is relayed afterwards', () => {
  const { places, told, sent } = page([A, B])
  for (const [pipeline, path] of [[1, 'link'], [2, 'relay']] as const) {
    places.assign(placeOf({ pipeline, next: { peer: B, path } }))
    const { relay } = places
    places.giveUp('the worker crashed')
    places.giveUp('again')
    relay?.sendStageFragment(fragment(pipeline, 1))
  }
  expect(told.filter(line => line.startsWith('broken'))).toEqual(['broken 1: the worker crashed', 'broken 2: the worker crashed'])
  expect(sent).toEqual([])
})

test('another place replaces the one before, also while that is being taken; a place without links is not left', async () => {
  const { places, told, linked, opened } = page([A, B])
  places.assign(placeOf())
  linked.length = 0
  places.assign(placeOf({ pipeline: 2 }))
  opened()
  expect(places.pipeline).toBe(2)
  places.giveUp()
  expect(places.pipeline).toBeUndefined()
  places.assign(placeOf({ pipeline: 3, stages: 1, previous: null, next: null }))
  await expect.poll(() => told).toEqual(['join 1', 'close routes 1', 'leave 1', 'join 3', 'taken 3'])
})
