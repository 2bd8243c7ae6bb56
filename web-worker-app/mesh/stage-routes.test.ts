import { afterEach, expect, test } from 'vitest'
import { fragmentsOf } from '#shared/pipeline/frame-fragments.ts'
import { StageRoutes } from './stage-routes.ts'

const open: MessagePort[] = []
afterEach(() => open.splice(0).forEach(port => port.close()))

const fragment = (pipeline: number, byte: number): Uint8Array<ArrayBuffer> => fragmentsOf(pipeline, Uint8Array.of(byte)).next().value!

function channel(): MessageChannel {
  const made = new MessageChannel()
  open.push(made.port1, made.port2)
  return made
}

const next = (port: MessagePort): Promise<unknown> =>
  new Promise(resolve => {
    port.addEventListener('message', ({ data }) => resolve(data), { once: true })
    port.start()
  })

test('fragments of the pipeline pass from the stage before to the worker, and from the worker to the next stage', async () => {
  const sent: [string, number[]][] = []
  const routes = new StageRoutes((peer, bytes) => void sent.push([peer, [...bytes]]))
  const [incoming, outgoing] = [channel(), channel()]
  routes.open({ pipeline: 1, from: { peer: 'a', port: incoming.port1 }, to: { peer: 'b', port: outgoing.port1 } })
  const arrived = next(incoming.port2)
  routes.fragmentFrom('b', fragment(1, 7))
  routes.fragmentFrom('a', fragment(2, 8))
  routes.fragmentFrom('a', Uint8Array.of(1))
  routes.fragmentFrom('a', fragment(1, 5))
  expect(await arrived).toEqual(fragment(1, 5))
  outgoing.port2.postMessage(fragment(1, 6), [])
  await expect.poll(() => sent).toEqual([['b', [...fragment(1, 6)]]])
})

test('a place that is given up passes nothing on; the next one does', async () => {
  const routes = new StageRoutes(() => undefined)
  const [first, second] = [channel(), channel()]
  const heard: unknown[] = []
  first.port2.addEventListener('message', ({ data }) => heard.push(data))
  first.port2.start()
  routes.open({ pipeline: 1, from: { peer: 'a', port: first.port1 } })
  routes.close(1)
  routes.open({ pipeline: 2, from: { peer: 'a', port: second.port1 } })
  const arrived = next(second.port2)
  routes.fragmentFrom('a', fragment(1, 7))
  routes.fragmentFrom('a', fragment(2, 8))
  expect(await arrived).toEqual(fragment(2, 8))
  expect(heard).toEqual([])
})
