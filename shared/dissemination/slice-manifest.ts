/** The part of a policy version that a slice needs: its tab fetches, stores, serves and forgets no more. */
import type { DecoderConfig } from '../model/config.ts'
import { sliceGroups } from '../model/tensor-names.ts'
import type { Manifest, ManifestBody } from '../protocol/manifest.ts'
import { stageSlice, type LayerRange } from '../scheduling/layer-range.ts'

/** A version, or the part of one; its signature is of the whole. */
export type PartOfManifest = Pick<ManifestBody, 'run' | 'version' | 'kind' | 'groups'>

export function manifestOfSlice(manifest: Manifest, config: DecoderConfig, layers: LayerRange): PartOfManifest {
  const names = new Set(sliceGroups(config, stageSlice(config.layers, layers.start, layers.end)).map(({ name }) => name))
  for (let layer = layers.start; layer < layers.end; layer++) names.add(`adapter.${layer}`)
  return { ...manifest, groups: manifest.groups.filter(({ name }) => names.has(name)) }
}
