import { expect, test } from 'vitest'
import type { PublishedPolicy } from '../protocol/manifest.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import { deltaLineage } from '../testing/delta-lineage.ts'
import { describedRun, peerName, RUN_KEY, secretOf } from '../testing/swarm-fixtures.ts'
import { signManifest } from './manifest.ts'
import { stepSwarmDirectory, type DirectoryInput } from './swarm-directory.ts'
import { createSwarmDirectory, type DirectoryEffect } from './swarm-state.ts'
import { originChunks } from './version-route.ts'

const lineage = deltaLineage(['full', 'delta', 'delta', 'full', 'delta', 'delta', 'delta']).map(({ manifest }) => manifest)

function policy(version: number, from: number): PublishedPolicy {
  const ancestors = lineage.slice(from, version)
  return { manifest: lineage[version]!, ...(ancestors.length > 0 && { ancestors }) }
}

function openRun(versionBytes = 2 ** 20) {
  const directory = createSwarmDirectory({ iceServers: [], originBytesPerRun: 2 ** 30, forgetRunsAfterMs: 60_000, firstPipeline: 1 })
  const step = (input: DirectoryInput): DirectoryEffect[] => stepSwarmDirectory(directory, input, { now: 0 })
  let trainer = ''
  const open = (newest: number): void => {
    if (trainer !== '') step({ kind: 'disconnected', connection: trainer })
    trainer += 'trainer'
    step({ kind: 'connected', connection: trainer, handshake: { role: 'trainer', token: '' } })
    step({ kind: 'run_opened', connection: trainer, message: { protocol: PROTOCOL_VERSION, description: describedRun({ versionBytes }), newest, tokenizer: null } })
  }
  open(0)
  return {
    comeBack: open,
    publish: (published: PublishedPolicy, missing = originChunks(published).slice(0, 0)): DirectoryEffect[] => step({ kind: 'policy_published', connection: trainer, message: published, missing }),
    join: (index: number): DirectoryEffect[] => {
      step({ kind: 'connected', connection: peerName(index), handshake: { role: 'volunteer' } })
      return step({ kind: 'join', connection: peerName(index), message: { protocol: PROTOCOL_VERSION, peer: peerName(index), secret: secretOf(peerName(index)) } })
    }
  }
}

const answers = (effects: readonly DirectoryEffect[]) => effects.flatMap(effect => (effect.kind === 'answer' ? [effect.answer] : []))
const announced = (effects: readonly DirectoryEffect[]) => effects.flatMap(effect => (effect.kind === 'tell' && effect.event === 'policy_announced' ? [effect.payload] : []))
const retained = (effects: readonly DirectoryEffect[]) => effects.flatMap(effect => (effect.kind === 'retain_chunks' ? effect.chunks.map(({ hash }) => hash) : [])).toSorted()
const hashes = (...policies: readonly PublishedPolicy[]) => [...new Set(policies.flatMap(originChunks).map(({ hash }) => hash))].toSorted()

test('a version is announced with all that its deltas lead back to, to those who are here and to those who join', () => {
  const run = openRun()
  run.publish(policy(0, 0))
  run.join(1)
  expect(announced(run.publish(policy(2, 0)))).toEqual([{ ...policy(2, 0), suppliers: [] }])
  expect(answers(run.join(2))).toMatchObject([{ base: { manifest: lineage[0] }, newest: policy(2, 0) }])
})

test('the origin keeps what its ancestors need, although they are too old to be announced themselves', () => {
  const run = openRun()
  run.publish(policy(0, 0))
  for (let version = 1; version <= 3; version++) run.publish(policy(version, 0))
  run.publish(policy(4, 3))
  run.publish(policy(5, 3))
  // Version 4 leads back to 3. Of older ones only the base is left.
  expect(retained(run.publish(policy(6, 3)))).toEqual(hashes(policy(0, 0), policy(4, 3), policy(5, 3), policy(6, 3)))
})

test('chunks of ancestors that the origin lacks are asked for before anybody hears of the version', () => {
  const run = openRun()
  run.publish(policy(0, 0))
  run.join(1)
  const missing = originChunks(policy(2, 0)).slice(-3)
  const effects = run.publish(policy(2, 0), missing)
  expect(answers(effects)).toEqual([{ kind: 'chunks_missing', hashes: missing.map(({ hash }) => hash) }])
  expect(announced(effects)).toEqual([])
})

test('a trainer that comes back and publishes whole what was a delta tells nobody twice', () => {
  const run = openRun()
  run.publish(policy(0, 0))
  run.join(1)
  run.publish(policy(3, 0))
  run.comeBack(3)
  const { signature: _, groups, ...body } = lineage[3]!
  const whole = signManifest({ ...body, kind: 'full', parent: null, groups: groups.map(({ name, tensors, chunks }) => ({ name, tensors, chunks })) }, RUN_KEY)
  const effects = run.publish({ manifest: whole })
  expect(answers(effects)).toEqual([{ kind: 'announced' }])
  expect(announced(effects)).toEqual([])
  // Its next one is a delta again.
  expect(announced(run.publish(policy(4, 3)))).toMatchObject([policy(4, 3)])
})

test.each<[string, PublishedPolicy, object]>([
  ['a delta whose parent is not told', { manifest: lineage[1]! }, { code: 'malformed' }],
  ['an ancestor of another run', { manifest: lineage[1]!, ancestors: [{ ...lineage[0]!, run: 'other' }] }, { code: 'bad_signature' }],
  ['a delta as the base', { ...policy(1, 0), manifest: { ...lineage[1]!, version: 0 } }, { code: 'malformed' }]
])('%s is refused', (_, published, refusal) => {
  const run = openRun()
  run.publish(policy(0, 0))
  expect(answers(run.publish(published))).toMatchObject([refusal])
})

test('a version larger than the run allows is refused', () => {
  expect(answers(openRun(5199).publish(policy(0, 0)))).toMatchObject([{ kind: 'refused', code: 'too_large' }])
  expect(answers(openRun(5200).publish(policy(0, 0)))).toMatchObject([{ kind: 'announced' }])
})
