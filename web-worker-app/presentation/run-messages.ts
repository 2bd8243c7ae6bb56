/** Words that both views use for the same thing, so that they cannot drift apart. */
import type { RejectionReason } from '#shared/protocol/rollout.ts'
import type { ENGINE_KINDS, LinkStatus, PeerState } from '#shared/protocol/peer-status.ts'
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import type { Connection } from '../session/session-store.ts'

export const runMessages = {
  productName: 'Murmuration',
  views: { volunteer: 'Volunteer', dashboard: 'Dashboard', playground: 'Playground', navigation: 'Views' },
  skipToContent: 'Skip to content',
  wrongAddress: { headline: 'This address cannot be used', without: 'Open the page without what follows the question mark' },
  connection: { connecting: 'Connecting', online: 'Connected', offline: 'No connection', refused: 'Not admitted' } satisfies Record<Connection, string>,
  peerState: {
    joining: 'joining',
    fetching: 'downloading',
    testing: 'self-test',
    waiting: 'waiting',
    generating: 'generating',
    computing: 'computing layers',
    paused: 'paused',
    stopped: 'stopped'
  } satisfies Record<PeerState, string>,
  linkPath: {
    direct: 'direct',
    turn_udp: 'TURN relay over UDP',
    turn_tcp: 'TURN relay over TCP',
    turn_tls: 'TURN relay over TLS',
    turn: 'the other tab’s TURN relay',
    socket: 'none: by the server'
  } satisfies Record<LinkStatus['path'], string>,
  engine: { webgpu: 'WebGPU', wasm: 'WASM' } satisfies Record<(typeof ENGINE_KINDS)[number], string>,
  phase: {
    starting: 'Starting',
    evaluating: 'Evaluating',
    running: 'Running',
    finished: 'Finished',
    stopped: 'Stopped'
  } satisfies Record<RunFeed['phase'], string>,
  mode: { sequential: 'sequential', async: 'asynchronous' } satisfies Record<RunFeed['report']['mode'], string>,
  outcome: { sent: 'Being checked', accepted: 'Accepted', stale: 'Too late', rejected: 'Rejected' },
  rejection: {
    malformed: 'not a valid message',
    unknown_lease: 'its lease had ended',
    not_holder: 'leased to another tab',
    wrong_version: 'another policy version was leased',
    wrong_manifest: 'made with other weights than it names',
    wrong_seed: 'not the committed random seed',
    token_out_of_range: 'a token outside the vocabulary',
    bad_length: 'longer than allowed, or fields of different lengths',
    not_terminated: 'ends where it should not',
    log_prob_mismatch: 'its probabilities differ from the recomputed ones',
    sampling_mismatch: 'a token differs from the one the committed random numbers give'
  } satisfies Record<RejectionReason, string>
} as const

/** A reason as it stands in the feed: one of ours in words, anything else as it came. */
export function describeRejection(reason: string): string {
  return (runMessages.rejection as Readonly<Record<string, string>>)[reason] ?? reason
}
