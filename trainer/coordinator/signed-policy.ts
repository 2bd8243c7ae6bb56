/** Signs versions, each as a delta of the one before where that is smaller. */
import type { SigningKey } from '#shared/crypto/signature.ts'
import { bytesOf, chunksOf, cutPolicy, manifestHash, signManifest, type CutPolicy, type PolicyContent } from '#shared/dissemination/manifest.ts'
import { cutDeltas } from '#shared/dissemination/version-deltas.ts'
import { deltaGroups } from '#shared/dissemination/version-route.ts'
import type { Manifest } from '#shared/protocol/manifest.ts'

export interface SignedPolicy {
  readonly manifest: Manifest
  readonly hash: string
  /** What the origin is given of it. */
  readonly chunks: ReadonlyMap<string, Uint8Array<ArrayBuffer>>
  /** To which its deltas lead back, oldest first. */
  readonly ancestors: readonly Pick<SignedPolicy, 'manifest' | 'chunks'>[]
}

/** Deltas in a row, after which a version is brought to the origin whole again: a tab that joins fetches all of them, and takes their manifests with every announcement. */
const DELTAS_IN_A_ROW = 8

export function signPolicy(content: PolicyContent, key: SigningKey): SignedPolicy {
  return signWhole(cutPolicy(content), key)
}

function signWhole({ body, chunks }: CutPolicy, key: SigningKey): SignedPolicy {
  return { manifest: signManifest(body, key), hash: manifestHash(body), chunks, ancestors: [] }
}

/** One version after the other of a run that trains every parameter. */
export class PolicySequence {
  readonly #key: SigningKey
  #last: { readonly cut: CutPolicy; readonly signed: SignedPolicy } | undefined

  constructor(key: SigningKey) {
    this.#key = key
  }

  /** Tabs that hold the version before fetch only the delta, whether or not the origin has this one whole. */
  sign(content: PolicyContent): SignedPolicy {
    const cut = cutPolicy(content)
    const signed = (this.#last && this.#signDelta(this.#last, cut)) ?? signWhole(cut, this.#key)
    this.#last = { cut, signed }
    return signed
  }

  /** @returns undefined when the delta is no smaller than the weights */
  #signDelta(last: { readonly cut: CutPolicy; readonly signed: SignedPolicy }, child: CutPolicy): SignedPolicy | undefined {
    const { groups, chunks } = cutDeltas(last.cut, child)
    const wholeBytes = bytesOf(chunksOf(child.body))
    if (deltaBytes(groups) >= wholeBytes) return undefined
    // From the newest that the origin has whole.
    const lineage = [...last.signed.ancestors, { manifest: last.signed.manifest, chunks: last.signed.chunks }]
    const ancestors = lineage.slice(lineage.findLastIndex(({ manifest }) => manifest.kind === 'full'))
    const bytesSince = [...ancestors.slice(1).map(({ manifest }) => manifest.groups), groups].reduce((total, each) => total + deltaBytes(each), 0)
    const isWhole = ancestors.length > DELTAS_IN_A_ROW || bytesSince > wholeBytes
    const body = { ...child.body, kind: isWhole ? ('full' as const) : ('delta' as const), parent: last.cut.body.version, groups }
    return { manifest: signManifest(body, this.#key), hash: manifestHash(body), chunks: isWhole ? new Map([...child.chunks, ...chunks]) : chunks, ancestors }
  }
}

function deltaBytes(groups: Manifest['groups']): number {
  return bytesOf(chunksOf({ groups: deltaGroups({ groups }) }))
}
