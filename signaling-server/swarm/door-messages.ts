/**
 * What passes between a front door, which holds sockets, and the directory, which decides. They are in one process, or in two of several servers.
 * All of it is plain data; a door's reports and the directory's orders are each taken in the order in which they were given.
 */
import type { DirectoryAnswer, ConnectionId, Identification } from '#shared/dissemination/swarm-state.ts'
import type { Handshake } from '#shared/protocol/handshake.ts'
import type { PeerId, RunId } from '#shared/protocol/identifiers.ts'
import type { ChunkReference } from '#shared/protocol/manifest.ts'
import type { Refusal } from '#shared/protocol/refusal.ts'
import type { PeerSubmits, TRAINER_HEARS } from '#shared/protocol/trainer-messages.ts'
import type { IceServers, SubmissionAnswer, VOLUNTEER_HEARS } from '#shared/protocol/volunteer-messages.ts'

/** Names something that was asked at one door and is not answered yet. */
export type AskId = number

export type DoorReport =
  | { readonly kind: 'connected'; readonly connection: ConnectionId; readonly handshake: Handshake; readonly identification: Identification }
  | { readonly kind: 'disconnected'; readonly connection: ConnectionId }
  /** Checked against its schema. `ask`: null for what is told. `iceServers`: with a join, for its peer. */
  | { readonly kind: 'said'; readonly connection: ConnectionId; readonly role: Handshake['role']; readonly event: string; readonly message: unknown; readonly ask: AskId | null; readonly iceServers?: IceServers }
  /** To a `submit`. */
  | { readonly kind: 'verdicts'; readonly submission: number; readonly answer: SubmissionAnswer }

export type HeardEvent = keyof typeof VOLUNTEER_HEARS | keyof typeof TRAINER_HEARS

export type DoorOrder =
  | { readonly kind: 'tell'; readonly to: ConnectionId[]; readonly event: HeardEvent; readonly payload: unknown }
  | { readonly kind: 'answer'; readonly ask: AskId; readonly answer: DirectoryAnswer | SubmissionAnswer }
  /** Of what was told. */
  | { readonly kind: 'refuse'; readonly connection: ConnectionId; readonly refusal: Refusal }
  /** To a trainer, whose verdicts are reported under this number. */
  | { readonly kind: 'submit'; readonly to: ConnectionId; readonly submission: number; readonly request: PeerSubmits }
  | { readonly kind: 'renew_ice_servers'; readonly to: ConnectionId; readonly peer: PeerId }
  | { readonly kind: 'close'; readonly connection: ConnectionId }
  /** What the origin keeps for the run. A door in another process sends tabs these and no others. */
  | { readonly kind: 'retain_chunks'; readonly run: RunId; readonly chunks: readonly ChunkReference[] }
  | { readonly kind: 'forget_chunks'; readonly run: RunId }

/** Of the directory, at a door. */
export interface Desk {
  hear(report: DoorReport): void
}

export interface Door {
  carryOut(order: DoorOrder): void
}
