import type { ServerListener } from '../coordinator/server-connection.ts'

/** What a trainer hears that publishes and does nothing else: it leases and learns nothing. */
export function publishOnly(connected: () => void, failed: (error: Error) => void): ServerListener {
  return {
    connected,
    disconnected: () => undefined,
    peerJoined: () => undefined,
    peerLeft: () => undefined,
    workWanted: () => undefined,
    peerStatus: () => undefined,
    refused: ({ code, detail }) => failed(new Error(`the server refused a message: ${code} (${detail ?? ''})`)),
    submitted: () => Promise.resolve({ kind: 'refused', code: 'no_trainer' }),
    unreachable: reason => failed(new Error(reason)),
    failed
  }
}
