import { describe, expect, test } from 'vitest'
import { routeChain, type SliceHost } from './chain-routing.ts'
import { createLinkMap, markUnlinkable, reportRoundTrips } from './link-map.ts'

const VERSION = 3

function host(peer: string, start: number, end: number, layerMs: number, other: Partial<SliceHost> = {}): SliceHost {
  return { peer, slice: { start, end, embed: start === 0, head: end === 28 }, versions: [VERSION], ready: true, freeRows: 8, cost: { layerMs, queueMs: 0, sendMs: 0 }, ...other }
}

function linked(...pairs: [string, string, number][]) {
  const map = createLinkMap()
  for (const from of new Set(pairs.map(([a]) => a))) reportRoundTrips(map, from, pairs.filter(([a]) => a === from).map(([, peer, ms]) => ({ peer, ms })))
  return map
}

const slow = host('slow', 0, 28, 5)
const front = host('front', 0, 14, 1)
const back = host('back', 14, 28, 1)
const request = { layers: 28, version: VERSION }

describe('which chain', () => {
  test('two fast peers at 10 ms beat one slow peer: 38 ms, not 140', () => {
    expect(routeChain(request, [slow, front, back], linked(['front', 'back', 10]))).toEqual({
      kind: 'chain',
      stages: [{ peer: 'front', layers: { start: 0, end: 14 } }, { peer: 'back', layers: { start: 14, end: 28 } }],
      circuitMs: 38
    })
  })

  test('and lose where their link is slow', () => {
    expect(routeChain(request, [slow, front, back], linked(['front', 'back', 120]))).toMatchObject({ stages: [{ peer: 'slow' }], circuitMs: 140 })
  })

  test('the way back to the first stage counts: of two equal last stages the one nearer to it serves', () => {
    const links = linked(['front', 'middle', 10], ['middle', 'near', 10], ['middle', 'far', 10], ['near', 'front', 10], ['far', 'front', 300])
    const hosts = [front, host('middle', 14, 20, 1), host('far', 20, 28, 1), host('near', 20, 28, 1)]
    expect(routeChain(request, hosts, links)).toMatchObject({ stages: [{ peer: 'front' }, { peer: 'middle' }, { peer: 'near' }], circuitMs: 43 })
  })

  test('a slice is left early where the next peer is faster', () => {
    const route = routeChain(request, [host('slow', 0, 20, 5), host('fast', 10, 28, 1)], linked(['slow', 'fast', 4]))
    expect(route).toMatchObject({ stages: [{ layers: { start: 0, end: 10 } }, { layers: { start: 10, end: 28 } }], circuitMs: 72 })
  })

  test('nobody serves two stages of one chain, although leaving the slow one for the middle only would be cheaper', () => {
    const route = routeChain(request, [slow, host('fast', 10, 20, 0.1)], linked(['slow', 'fast', 2]))
    expect(route).toMatchObject({ stages: [{ peer: 'slow', layers: { start: 0, end: 28 } }] })
  })

  test('a queue is waited for, so the busy one of two equal peers rests', () => {
    const busy = host('a-busy', 14, 28, 1, { cost: { layerMs: 1, queueMs: 9, sendMs: 0 } })
    const links = linked(['front', 'a-busy', 10], ['front', 'back', 10])
    expect(routeChain(request, [front, busy, back], links)).toMatchObject({ stages: [{ peer: 'front' }, { peer: 'back' }], circuitMs: 38 })
  })

  test('a link that nobody has measured is dear, but not for ever closed', () => {
    expect(routeChain(request, [front, back], createLinkMap())).toMatchObject({ kind: 'chain', circuitMs: 128 })
  })
})

test('among many peers, a chain is found even if it must hand over in the middle of two slices', () => {
  const relays = [host('o', 0, 14, 1), host('p', 14, 20, 1), host('q', 10, 18, 1), host('r', 17, 28, 1)]
  const links = linked(['o', 'p', 2], ['p', 'q', 2], ['q', 'r', 2], ['r', 'o', 2])
  markUnlinkable(links, 'o', 'q')
  markUnlinkable(links, 'p', 'r')
  const others = Array.from({ length: 20 }, (_, index) => host(`other${index}`, 3, 5, 1))
  expect(routeChain(request, [...relays, ...others], links)).toMatchObject({ kind: 'chain', circuitMs: 32, stages: [{ peer: 'o' }, { peer: 'p' }, { peer: 'q' }, { peer: 'r' }] })
})

describe('why no chain', () => {
  const missing = (hosts: SliceHost[], links = createLinkMap(), excluded?: string[]) => {
    const route = routeChain({ ...request, ...(excluded && { excluded: new Set(excluded) }) }, hosts, links)
    return route.kind === 'no_chain' ? route.missing : route
  }

  test('nobody hosts the layers, or only one who is not ready or excluded', () => {
    const absent = [{ layers: { start: 14, end: 28 }, reason: 'absent_peer' }]
    expect(missing([front])).toEqual(absent)
    expect(missing([front, { ...back, ready: false }])).toEqual(absent)
    expect(missing([front, back], createLinkMap(), ['back'])).toEqual(absent)
    expect(missing([])).toEqual([{ layers: { start: 0, end: 28 }, reason: 'absent_peer' }])
  })

  test('a host of another version, a host without memory, each for its own layers', () => {
    expect(missing([{ ...front, versions: [2] }, host('middle', 14, 20, 1), host('tail', 20, 28, 1, { freeRows: 0 })])).toEqual([
      { layers: { start: 0, end: 14 }, reason: 'stale_version' },
      { layers: { start: 20, end: 28 }, reason: 'no_memory' }
    ])
  })

  test('the last layer without a host of the head is missing', () => {
    expect(missing([front, { ...back, slice: { ...back.slice, head: false } }])).toEqual([{ layers: { start: 27, end: 28 }, reason: 'absent_peer' }])
  })

  test('hosts without a link between them, or without one back', () => {
    const apart = createLinkMap()
    markUnlinkable(apart, 'front', 'back')
    expect(missing([front, back], apart)).toEqual([{ layers: { start: 14, end: 28 }, reason: 'no_link' }])
    const noWayBack = createLinkMap()
    markUnlinkable(noWayBack, 'front', 'tail')
    expect(missing([front, host('middle', 14, 20, 1), host('tail', 20, 28, 1)], noWayBack)).toEqual([{ layers: { start: 20, end: 28 }, reason: 'no_link' }])
  })
})
