import { assembleGroup } from '#shared/dissemination/tensor-groups.ts'
import type { DecoderConfig } from '#shared/model/config.ts'
import { loraTensors, type LoraConfig } from '#shared/model/lora.ts'
import { sameShape, type Tensor, type Tensors } from '#shared/model/tensor.ts'
import { sliceTensors } from '#shared/model/tensor-names.ts'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import type { Manifest } from '#shared/protocol/manifest.ts'
import type { ChunkStore } from '../storage/chunk-store.ts'

/** @returns what is wrong with the manifest for this model, before anything is fetched for it; undefined when it fits */
export function findTensorFault(manifest: Manifest, config: DecoderConfig, lora: LoraConfig | null): string | undefined {
  if (manifest.kind === 'lora' && lora === null) return `version ${manifest.version} is an adapter, but the run has none`
  const expected = manifest.kind === 'full' || lora === null ? sliceTensors(config) : loraTensors(config, lora)
  const offered = new Map(manifest.groups.flatMap(({ tensors }) => tensors.map(({ name, shape }) => [name, shape] as const)))
  for (const { name, shape } of expected) {
    const found = offered.get(name)
    if (found === undefined) return `version ${manifest.version} has no tensor ${name}`
    if (!sameShape(found, shape)) return `version ${manifest.version}: tensor ${name} is [${found}], not [${shape}]`
  }
  if (offered.size > expected.length) return `version ${manifest.version} has ${offered.size} tensors, not ${expected.length}`
  return undefined
}

/** @returns undefined when a chunk is not in the store */
export async function assemblePolicy(manifest: PartOfManifest, store: ChunkStore): Promise<Tensors | undefined> {
  const tensors = new Map<string, Tensor>()
  for (const group of manifest.groups) {
    const chunks = await Promise.all(group.chunks.map(({ hash }) => store.get(hash)))
    const present = chunks.filter(chunk => chunk !== undefined)
    if (present.length < chunks.length) return undefined
    for (const [name, tensor] of assembleGroup(group, present)) tensors.set(name, tensor)
  }
  return tensors
}
