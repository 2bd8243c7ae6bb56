import { expect, test } from 'vitest'
import type { PublishedPolicy } from '../protocol/manifest.ts'
import type { OriginGrant } from '../protocol/volunteer-messages.ts'
import { deltaLineage } from '../testing/delta-lineage.ts'
import { answers, createTestbed } from '../testing/directory-testbed.ts'
import { peerName, RUN_KEY } from '../testing/swarm-fixtures.ts'
import { chunksOf, manifestHash, signManifest } from './manifest.ts'
import type { DirectoryEffect } from './swarm-state.ts'
import { deltaGroups, originChunks } from './version-route.ts'

const lineage = deltaLineage(['full', 'delta', 'delta', 'full', 'delta', 'delta', 'delta']).map(({ manifest }) => manifest)

function policy(version: number, from: number): PublishedPolicy {
  const ancestors = lineage.slice(from, version)
  return { manifest: lineage[version]!, ...(ancestors.length > 0 && { ancestors }) }
}

function openRun(versionBytes = 2 ** 20) {
  const testbed = createTestbed()
  const { step } = testbed
  let trainer = ''
  const comeBack = (newest: number): void => {
    if (trainer !== '') step({ kind: 'disconnected', connection: trainer })
    trainer += 'trainer'
    testbed.open({ connection: trainer, newest, change: { versionBytes } })
  }
  comeBack(0)
  return {
    comeBack,
    publish: (published: PublishedPolicy, missing = originChunks(published).slice(0, 0)): DirectoryEffect[] => step({ kind: 'policy_published', connection: trainer, message: published, missing }),
    join: (index: number): DirectoryEffect[] => testbed.join(index),
    /** @returns hashes of what it shall take from the origin of a version */
    wanted: (index: number, published: PublishedPolicy, from: number | null): string[] => {
      const [answer] = answers(step({ kind: 'origin_wanted', connection: peerName(index), message: { version: published.manifest.version, manifestHash: manifestHash(published.manifest), need: 'share', from } })) as OriginGrant[]
      return answer?.kind === 'origin_granted' ? answer.chunks.map(place => originChunks(published)[place]!.hash) : []
    },
    hold: (index: number, { manifest }: PublishedPolicy): DirectoryEffect[] =>
      step({ kind: 'version_held', connection: peerName(index), message: { run: manifest.run, version: manifest.version, manifestHash: manifestHash(manifest) } })
  }
}

const announced = (effects: readonly DirectoryEffect[]) => effects.flatMap(effect => (effect.kind === 'tell' && effect.event === 'policy_announced' ? [effect.payload] : []))
const retained = (effects: readonly DirectoryEffect[]) => effects.flatMap(effect => (effect.kind === 'retain_chunks' ? effect.chunks.map(({ hash }) => hash) : [])).toSorted()
const hashes = (...policies: readonly PublishedPolicy[]) => [...new Set(policies.flatMap(originChunks).map(({ hash }) => hash))].toSorted()

test('a version is announced with all that its deltas lead back to, to those who are here and to those who join', () => {
  const run = openRun()
  run.publish(policy(0, 0))
  run.join(1)
  expect(announced(run.publish(policy(2, 0)))).toEqual([policy(2, 0)])
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

const deltaOf = (version: number): string[] => chunksOf({ groups: deltaGroups(lineage[version]!) }).map(({ hash }) => hash)

test('what is to be taken from the origin depends on where the way begins, and what went out for one version goes out for no other', () => {
  const run = openRun()
  run.publish(policy(0, 0))
  run.publish(policy(1, 0))
  run.join(1)
  expect(run.wanted(1, policy(1, 0), 0)).toEqual(deltaOf(1))
  run.hold(1, policy(1, 0))
  run.publish(policy(2, 0))
  expect(run.wanted(1, policy(2, 0), 1)).toEqual(deltaOf(2))
  run.hold(1, policy(2, 0))
  run.join(2)
  // The first one has both deltas, but was never given the base here, as after a restart.
  expect(run.wanted(2, policy(2, 0), null)).toEqual(chunksOf(lineage[0]!).map(({ hash }) => hash))
  expect(run.wanted(2, policy(2, 0), 0)).toEqual([])
})

test('who holds a version by deltas is not counted on for its chunks by those who go another way', () => {
  const run = openRun()
  for (const published of [policy(0, 0), policy(3, 0)]) run.publish(published)
  run.join(1)
  run.join(2)
  run.hold(1, policy(3, 0))
  expect(run.wanted(2, policy(3, 0), 2)).toEqual(deltaOf(3))
  run.hold(2, policy(3, 0))
  run.join(3)
  // Version 3 is there whole, too, and they have it whole.
  expect(run.wanted(3, policy(3, 0), null)).toEqual([])
})
