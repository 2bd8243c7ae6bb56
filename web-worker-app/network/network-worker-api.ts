/**
 * What the page asks of its network worker, over comlink: links to other tabs, chunks and their store. The page keeps what only
 * a page can have: the connections under the links, and the socket to the signaling server.
 */
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { PipelineId } from '#shared/pipeline/stage-work.ts'
import type { Refusal } from '#shared/protocol/refusal.ts'
import type { OriginAsk } from '#shared/protocol/volunteer-messages.ts'
import type { ExchangeFault } from '../mesh/exchange-fault.ts'
import type { LinkChannels } from '../mesh/link.ts'
import type { LinkId } from '../mesh/links.ts'
import type { PlaceRoutes } from '../mesh/stage-routes.ts'
import type { ChunkOwner } from '../storage/chunk-store.ts'
import type { StoreOpening } from '../storage/open-chunk-store.ts'
import type { StorageCondition } from '../storage/spilling-chunk-store.ts'

export interface NetworkState {
  readonly bytesFromOrigin: number
  readonly bytesFromPeers: number
  /** Chunks are wanted, and nobody delivers them at the moment. */
  readonly unreachable: boolean
}

export interface NetworkEvents {
  linkUp(id: LinkId): void
  /** The link's connection is of no more use. */
  linkClosed(id: LinkId): void
  /** Measured over the link. */
  roundTrip(peer: string, ms: number): void
  /** Bytes that left for other tabs in so many milliseconds, while there were always more to send. */
  uploaded(bytes: number, ms: number): void
  /** Which chunks to take from the origin, as the signaling server says; undefined when it does not. */
  grant(ask: OriginAsk): Promise<readonly string[] | undefined>
  /** Nobody who can be reached has all of the version. It is waited for until `forget`. */
  unavailable(version: number): void
  changed(state: NetworkState): void
  /** Chunks go elsewhere from now on; they were kept at first. */
  stored(condition: StorageCondition): void
  fault(fault: ExchangeFault): void
}

export interface NetworkWorkerApi {
  /** First, and once. */
  open(events: NetworkEvents, storage: StoreOpening): Promise<void>
  /** The channels of a connection that is being made, or the ports of those that cannot leave the page. */
  addLink(peer: string, id: LinkId, channels: LinkChannels<RTCDataChannel | MessagePort>): void
  removeLink(peer: string, id: LinkId): void
  /** Resolves when fragments will find their way. */
  openRoutes(routes: PlaceRoutes): void
  closeRoutes(pipeline: PipelineId): void
  /**
   * @param lineage the version's ancestors and itself, oldest first, of one slice
   * @returns `here` once every chunk of the version is stored; `given_up` when it was forgotten or is brought by a later call
   */
  bring(lineage: readonly PartOfManifest[]): Promise<'here' | 'given_up' | Refusal>
  forget(manifest: PartOfManifest, shared: ReadonlySet<string>): void
  pin(owner: ChunkOwner): void
  /** @returns undefined when a chunk is not in the store */
  assemble(manifest: PartOfManifest): Promise<Tensors | undefined>
  /** Last: the worker ends. */
  close(): void
}
