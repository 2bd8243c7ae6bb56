import { checkManifest, chunksOf, manifestHash } from '#shared/dissemination/manifest.ts'
import type { AnnouncedVersion } from '#shared/coordination/volunteer-state.ts'
import { parseDecoderConfig, type DecoderConfig } from '#shared/model/config.ts'
import { ModelFileError } from '#shared/model/model-file-error.ts'
import { manifestOfSlice, type PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import type { Manifest } from '#shared/protocol/manifest.ts'
import type { RunDescription } from '#shared/protocol/run-description.ts'
import type { PolicyAnnouncement } from '#shared/protocol/volunteer-messages.ts'
import type { LayerRange } from '#shared/scheduling/layer-range.ts'
import { findTensorFault } from './policy-tensors.ts'

/** The policy versions of one run whose manifests its key has signed and its model fits. */
export class KnownPolicies {
  readonly description: RunDescription
  readonly #config: DecoderConfig
  /** By manifest hash. */
  readonly #policies = new Map<string, Manifest>()

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
  announce({ manifest }: PolicyAnnouncement): AnnouncedVersion | string {
    const { run, publicKey, lora } = this.description
    if (manifest.run !== run) return `version ${manifest.version} belongs to run ${manifest.run}`
    const check = checkManifest(manifest, publicKey, undefined)
    if (check.kind === 'refused') return check.detail ?? check.code
    const fault = findTensorFault(manifest, this.#config, lora)
    if (fault !== undefined) return fault
    const hash = manifestHash(manifest)
    this.#policies.set(hash, manifest)
    return { version: manifest.version, manifestHash: hash }
  }

  get({ version, manifestHash: hash }: AnnouncedVersion): Manifest {
    const policy = this.#policies.get(hash)
    if (policy === undefined) throw new Error(`version ${version} was never announced`)
    return policy
  }

  /** @returns hashes of the chunks at these places of the version's list */
  chunksAt(announced: AnnouncedVersion, places: readonly number[]): string[] {
    const chunks = chunksOf(this.get(announced))
    return places.flatMap(place => chunks[place]?.hash ?? [])
  }

  /** What a slice needs of the version. */
  partOf(announced: AnnouncedVersion, layers: LayerRange): PartOfManifest {
    return manifestOfSlice(this.get(announced), this.#config, layers)
  }

  /** @returns its manifest, and the chunks that other versions need too; undefined when it is not of this run */
  remove(announced: AnnouncedVersion): { readonly manifest: Manifest; readonly shared: ReadonlySet<string> } | undefined {
    const policy = this.#policies.get(announced.manifestHash)
    if (policy === undefined) return undefined
    this.#policies.delete(announced.manifestHash)
    const shared = new Set([...this.#policies.values()].flatMap(manifest => chunksOf(manifest).map(({ hash }) => hash)))
    return { manifest: policy, shared }
  }
}
