import { checkPolicy, chunksOf, manifestHash } from '#shared/dissemination/manifest.ts'
import type { AnnouncedVersion } from '#shared/coordination/volunteer-state.ts'
import { parseDecoderConfig, type DecoderConfig } from '#shared/model/config.ts'
import { ModelFileError } from '#shared/model/model-file-error.ts'
import { manifestOfSlice, type PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import { lineageGroups, originChunks } from '#shared/dissemination/version-route.ts'
import type { Manifest } from '#shared/protocol/manifest.ts'
import type { RunDescription } from '#shared/protocol/run-description.ts'
import type { PolicyAnnouncement } from '#shared/protocol/volunteer-messages.ts'
import type { LayerRange } from '#shared/scheduling/layer-range.ts'
import { findTensorFault } from './policy-tensors.ts'

export interface KnownPolicy {
  /** Its ancestors and itself, oldest first. */
  readonly lineage: readonly Manifest[]
  readonly manifest: Manifest
}

/** The policy versions of one run whose manifests its key has signed and its model fits. */
export class KnownPolicies {
  readonly description: RunDescription
  readonly #config: DecoderConfig
  /** By manifest hash. */
  readonly #policies = new Map<string, KnownPolicy>()

  private constructor(description: RunDescription, config: DecoderConfig) {
    this.description = description
    this.#config = config
  }

  /** @returns text: what about the model's config we cannot compute */
  static of(description: RunDescription): KnownPolicies | string {
    try {
      return new KnownPolicies(description, parseDecoderConfig(description.model, 'config.json'))
    } catch (error) {
      if (error instanceof ModelFileError) return error.message
      throw error
    }
  }

  /**
   * The server says what the newest version is; it may be older than the one before, after a trainer had to go back to a checkpoint.
   * @returns the version, to be told to the machine; text: why the announcement must not be acted on
   */
  announce(published: PolicyAnnouncement): AnnouncedVersion | string {
    const { run, lora } = this.description
    const { manifest, ancestors = [] } = published
    const lineage = [...ancestors, manifest]
    for (const member of lineage) {
      if (member.run !== run) return `version ${member.version} belongs to run ${member.run}`
      const fault = findTensorFault(member, this.#config, lora)
      if (fault !== undefined) return fault
    }
    const check = checkPolicy(published, this.description, undefined)
    if (check.kind === 'refused') return check.detail ?? check.code
    const hash = manifestHash(manifest)
    this.#policies.set(hash, { lineage, manifest })
    return { version: manifest.version, manifestHash: hash }
  }

  get({ version, manifestHash: hash }: AnnouncedVersion): KnownPolicy {
    const policy = this.#policies.get(hash)
    if (policy === undefined) throw new Error(`version ${version} was never announced`)
    return policy
  }

  /** @returns hashes of the chunks at these places of the list of what the origin has of the version */
  chunksAt(announced: AnnouncedVersion, places: readonly number[]): string[] {
    const { manifest, lineage } = this.get(announced)
    const chunks = originChunks({ manifest, ancestors: lineage.slice(0, -1) })
    return places.flatMap(place => chunks[place]?.hash ?? [])
  }

  /** The version's ancestors and itself, oldest first, of what a slice needs. */
  lineageOf(announced: AnnouncedVersion, layers: LayerRange): PartOfManifest[] {
    return this.get(announced).lineage.map(member => manifestOfSlice(member, this.#config, layers))
  }

  /** @returns it with all chunks that may have been fetched for it or made of it, and those that other versions need too; undefined when it is not of this run */
  remove(announced: AnnouncedVersion): { readonly version: PartOfManifest; readonly shared: ReadonlySet<string> } | undefined {
    const policy = this.#policies.get(announced.manifestHash)
    if (policy === undefined) return undefined
    this.#policies.delete(announced.manifestHash)
    const shared = new Set([...this.#policies.values()].flatMap(({ lineage }) => chunksOf({ groups: lineageGroups(lineage) }).map(({ hash }) => hash)))
    return { version: { ...policy.manifest, groups: lineageGroups(policy.lineage) }, shared }
  }
}
