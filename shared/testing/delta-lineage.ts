/** Versions of a small run of all parameters, each with a delta from the one before. */
import { cutPolicy, signManifest, type CutPolicy } from '../dissemination/manifest.ts'
import { groupTensors } from '../dissemination/tensor-groups.ts'
import { cutDeltas } from '../dissemination/version-deltas.ts'
import type { Tensors } from '../model/tensor.ts'
import type { Manifest } from '../protocol/manifest.ts'
import { createRng } from '../random/rng.ts'
import { RUN, RUN_KEY } from './swarm-fixtures.ts'

export interface LineageMember {
  readonly manifest: Manifest
  /** The weights' and the delta's, whatever the origin has of them. */
  readonly chunks: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
}

/**
 * Version 0 has no parent, version n the parent n − 1.
 * @param kinds of the versions, from 0 on
 * @param tensors of a version; by default two groups of a few kilobytes, of which a tenth changes from version to version
 */
export function deltaLineage(kinds: readonly ('full' | 'delta')[], tensors: (version: number) => Tensors = smallTensors): LineageMember[] {
  const members: LineageMember[] = []
  let parent: CutPolicy | undefined
  for (const [version, kind] of kinds.entries()) {
    const cut = cutPolicy({ run: RUN, version, parent: null, kind: 'full', groups: groupTensors(tensors(version)) })
    const deltas = parent && cutDeltas(parent, cut)
    const body = deltas === undefined ? cut.body : { ...cut.body, kind, parent: version - 1, groups: deltas.groups }
    members.push({ manifest: signManifest(body, RUN_KEY), chunks: new Map([...cut.chunks, ...(deltas?.chunks ?? [])]) })
    parent = cut
  }
  return members
}

function smallTensors(version: number): Tensors {
  const rng = createRng('delta lineage')
  const weights = (count: number) => new Float32Array(count).map((_, index) => rng.float() + (index % 10 < version ? version / 1000 : 0))
  return new Map([
    ['model.layers.0.mlp.up_proj.weight', { shape: [20, 50], data: weights(1000) }],
    ['model.norm.weight', { shape: [300], data: weights(300) }]
  ])
}
