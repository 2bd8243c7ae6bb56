import { describe, expect, test } from 'vitest'
import { toHuggingFaceConfig } from '../model/config.ts'
import { LIMITS } from '../protocol/limits.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import { modelShape } from '../scheduling/model-shape.ts'
import { describedRun, peerName, publishedVersion, RUN, signedJoin, type PublishedVersion } from '../testing/swarm-fixtures.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import { manifestHash } from './manifest.ts'
import { stepSwarmDirectory, type DirectoryInput } from './swarm-directory.ts'
import { createSwarmDirectory, type DirectoryEffect } from './swarm-state.ts'

const config = tinyConfig({ layers: 4 })
const shape = modelShape(config, { rows: 64, contextTokens: config.contextLength })
const HALF = 2 * shape.layerBytes + Math.max(shape.embeddingBytes, shape.headBytes)
const base = publishedVersion(0)
const identification = { server: 'swarm.example', challenge: 'c'.repeat(64) }

function createTestbed(model: Record<string, unknown> = toHuggingFaceConfig(config)) {
  const directory = createSwarmDirectory({ renewIceServersAfterMs: undefined, originBytesPerRun: LIMITS.originBytesPerRun, forgetRunsAfterMs: 60_000, firstPipeline: 7 })
  let now = 1000
  let wakeAt = Infinity
  const step = (input: DirectoryInput): DirectoryEffect[] => {
    const effects = stepSwarmDirectory(directory, input, { now })
    for (const effect of effects) if (effect.kind === 'wake_at') wakeAt = effect.time
    return effects
  }
  const publish = ({ manifest }: PublishedVersion): DirectoryEffect[] => step({ kind: 'policy_published', connection: 'trainer', message: { manifest }, missing: [] })
  step({ kind: 'connected', connection: 'trainer', handshake: { role: 'trainer', token: '' }, identification })
  step({ kind: 'run_opened', connection: 'trainer', message: { protocol: PROTOCOL_VERSION, description: describedRun({ model }), newest: 0, tokenizer: null } })
  publish(base)
  return {
    directory,
    step,
    publish,
    wait(ms: number): DirectoryEffect[] {
      const effects: DirectoryEffect[] = []
      const until = now + ms
      while (wakeAt <= until) {
        now = wakeAt
        wakeAt = Infinity
        effects.push(...step({ kind: 'wake' }))
      }
      now = until
      return effects
    },
    join(index: number, memoryBytes?: number): DirectoryEffect[] {
      const peer = peerName(index)
      step({ kind: 'connected', connection: peer, handshake: { role: 'volunteer' }, identification })
      const memory = memoryBytes === undefined ? {} : { memory: { memoryBytes, largestTensorBytes: memoryBytes } }
      return step({ kind: 'join', connection: peer, message: signedJoin(index, identification, memory), iceServers: [] })
    },
    hold: (index: number, { manifest }: PublishedVersion): DirectoryEffect[] =>
      step({ kind: 'version_held', connection: peerName(index), message: { run: RUN, version: manifest.version, manifestHash: manifestHash(manifest) } }),
    ready: (index: number, start: number, end: number): DirectoryEffect[] => step({ kind: 'slice_ready', connection: peerName(index), message: { layers: { start, end }, engine: 'wasm', rows: 4 } }),
    taken: (index: number, pipeline = 7): DirectoryEffect[] => step({ kind: 'place_taken', connection: peerName(index), message: { pipeline } })
  }
}

/** Peers 1 and 2 are the open pipeline 7. */
function openPair() {
  const bed = createTestbed()
  bed.join(1, HALF)
  bed.join(2, HALF)
  for (const index of [1, 2]) bed.hold(index, base)
  bed.ready(1, 0, 2)
  const placed = bed.ready(2, 2, 4)
  bed.taken(1)
  const opened = bed.taken(2)
  return { bed, placed, opened }
}

const told = (effects: readonly DirectoryEffect[], event: string): unknown[][] =>
  effects.flatMap(effect => (effect.kind === 'tell' && effect.event === event ? [[effect.to, effect.payload]] : []))

describe('layers of a run', () => {
  test('who offers memory is told a slice after the welcome; who offers none takes no part', () => {
    const bed = createTestbed()
    const effects = bed.join(1, HALF)
    expect(told(effects, 'slice_assigned')).toEqual([[peerName(1), { layers: { start: 0, end: 2 } }]])
    expect(effects.findIndex(({ kind }) => kind === 'answer')).toBeLessThan(effects.findIndex(effect => effect.kind === 'tell' && effect.event === 'slice_assigned'))
    expect(told(bed.join(2), 'slice_assigned')).toEqual([])
  })

  test('a run whose model tabs cannot compute is open all the same', () => {
    const bed = createTestbed({})
    expect(bed.directory.runs.get(RUN)!.layers).toBeUndefined()
    expect(told(bed.join(1, HALF), 'slice_assigned')).toEqual([])
  })

  test('tabs whose slices are ready get places, and the first hears of the versions that both hold; a version that is replaced is held by nobody', () => {
    const { bed, placed, opened } = openPair()
    expect(told(placed, 'place_assigned')).toMatchObject([[peerName(1), { pipeline: 7, stage: 0, next: { peer: peerName(2), path: 'link' } }], [peerName(2), { stage: 1 }]])
    expect(told(opened, 'pipeline_open')).toMatchObject([[peerName(1), { pipeline: 7, versions: [0] }]])
    const first = publishedVersion(1)
    bed.publish(first)
    bed.hold(1, first)
    expect(told(bed.hold(2, first), 'pipeline_open')).toMatchObject([[peerName(1), { pipeline: 7, versions: [1, 0] }]])
    expect(told(bed.publish(publishedVersion(1, { content: 9 })), 'pipeline_open')).toMatchObject([[peerName(1), { pipeline: 7, versions: [0] }]])
  })

  test('neighbours are introduced although both have chunk links enough, and nobody a second time', () => {
    const bed = createTestbed()
    bed.join(1, HALF)
    for (let index = 10; index < 16; index++) bed.join(index)
    const joined = bed.join(2, HALF)
    bed.ready(1, 0, 2)
    const placed = bed.ready(2, 2, 4)
    const pair = (effects: readonly DirectoryEffect[]): number => told(effects, 'introduction').filter(([to, payload]) => to === peerName(1) && (payload as { peer: string }).peer === peerName(2)).length
    expect(pair(joined) + pair(placed)).toBe(1)
  })

  test('who holds some layers takes their chunks from the origin, and of nobody with other layers', () => {
    const bed = createTestbed()
    bed.join(1, HALF)
    bed.join(2, HALF)
    const published = publishedVersion(1)
    bed.publish(published)
    const wanted = (index: number) => bed.step({ kind: 'origin_wanted', connection: peerName(index), message: { version: 1, manifestHash: manifestHash(published.manifest), need: 'share', from: null } }).filter(({ kind }) => kind === 'answer')
    const slices = [1, 2].map(index => bed.directory.runs.get(RUN)!.layers!.serving.hosts.get(peerName(index))!.assigned)
    expect(slices).toEqual([{ start: 0, end: 2 }, { start: 2, end: 4 }])
    // The version adapts layer 0: its only chunk is of no use to the second half.
    expect(wanted(2)).toEqual([{ kind: 'answer', answer: { kind: 'origin_granted', chunks: [] } }])
    bed.step({ kind: 'version_held', connection: peerName(2), message: { run: RUN, version: 1, manifestHash: manifestHash(published.manifest) } })
    expect(wanted(1)).toEqual([{ kind: 'answer', answer: { kind: 'origin_granted', chunks: [0] } }])
  })

  test('fragments are passed on between neighbours that cannot be linked, and nowhere else', () => {
    const { bed } = openPair()
    const fragment = Uint8Array.of(1, 2, 3)
    const send = (index: number, pipeline: number): DirectoryEffect[] => bed.step({ kind: 'stage_fragment', connection: peerName(index), message: { pipeline, fragment } })
    expect(send(1, 7)).toMatchObject([{ kind: 'refuse', refusal: { code: 'unknown_peer' } }])
    const replaced = bed.step({ kind: 'link_lost', connection: peerName(1), message: { peer: peerName(2) } })
    expect(told(replaced, 'place_assigned')).toMatchObject([[peerName(1), { pipeline: 8, next: { path: 'relay' } }], [peerName(2), { pipeline: 8, next: { path: 'relay' } }]])
    expect(told(send(1, 8), 'stage_fragment')).toEqual([[peerName(2), { fragment }]])
    expect(told(send(2, 8), 'stage_fragment')).toEqual([[peerName(1), { fragment }]])
  })
})

describe('requests of people', () => {
  const request = { key: 'a', prompt: [1], maxTokens: 4, seed: null, temperature: 1, version: 0 }

  test('are asked of the first stage, and its tokens are for whoever asked', () => {
    const { bed } = openPair()
    const asked = bed.step({ kind: 'request_opened', run: RUN, request })
    expect(told(asked, 'sequences_requested')).toMatchObject([[peerName(1), { pipeline: 7, requests: [{ key: 'a' }] }]])
    const sequences = [{ key: 'a', tokens: [5], logProbs: [-1], finish: 'stop' as const }]
    const generated = bed.step({ kind: 'sequences_generated', connection: peerName(1), message: { pipeline: 7, sequences } })
    expect(generated.filter(({ kind }) => kind === 'sequence_event')).toMatchObject([
      { run: RUN, key: 'a', event: { kind: 'tokens', tokens: [5], logProbs: [-1] } },
      { run: RUN, key: 'a', event: { kind: 'finished', finish: 'stop' } }
    ])
  })

  test('are refused in time when a stage falls silent: the directory wakes itself', () => {
    const { bed } = openPair()
    bed.step({ kind: 'request_opened', run: RUN, request })
    const events = bed.wait(20_000).filter(effect => effect.kind === 'sequence_event')
    expect(events).toMatchObject([{ key: 'a', event: { kind: 'refused', code: 'layers_missing' } }])
  })
})

test('the coverage is shown to those who watch: at once to newcomers, and at most twice a second', () => {
  const bed = createTestbed()
  bed.join(1, HALF)
  bed.wait(1000)
  const seen = told(bed.step({ kind: 'connected', connection: 'dashboard', handshake: { role: 'observer' }, identification }), 'layer_coverage')
  expect(seen).toMatchObject([['dashboard', { run: RUN, layers: 4, hosts: [{ peer: peerName(1), layers: { start: 0, end: 2 }, state: 'assigned' }], missing: [{ layers: { start: 2, end: 4 } }] }]])
  const shown = [2, 3, 4, 5].flatMap(index => [...bed.join(index, HALF), ...bed.wait(100)])
  expect(told(shown, 'layer_coverage')).toHaveLength(1)
  expect(told(bed.wait(400), 'layer_coverage')).toMatchObject([['dashboard', { hosts: { length: 5 }, missing: [] }]])
  expect(told(bed.wait(1400), 'layer_coverage')).toHaveLength(0)
})
