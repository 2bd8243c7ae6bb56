/** One end of a link on a thread of its own. */
import { expose } from 'comlink'
import { channelFrom } from '#web-worker-app/mesh/channel-bridge.ts'
import type { LinkChannels } from '#web-worker-app/mesh/link.ts'
import type { Heard } from './hearing.ts'
import { RecordedLink, type GivenPiece } from './recorded-link.ts'

const link = new RecordedLink()
let ended = (): void => undefined
const end = new Promise<void>(resolve => (ended = resolve))

const worker = {
  open({ control, bulk, stages }: LinkChannels<RTCDataChannel | MessagePort>, atUp: number): void {
    link.open({ control: channelFrom(control), bulk: channelFrom(bulk), stages: channelFrom(stages) }, atUp)
    void link.hears('down', 1).then(ended)
  },
  sendPiecesThenFragments: (pieces: number, fragments: number): void => link.sendPiecesThenFragments(pieces, fragments),
  sayAll: (of: number): void => link.sayAll(of),
  given: (): GivenPiece[] => link.given(),
  sendUnchecked: (name: 'control' | 'bulk' | 'stages', bytes: number): void => link.sendUnchecked(name, bytes),
  close: (): void => link.close(),
  hears: (kind: Heard['kind'], count: number): Promise<Heard[]> => link.hears(kind, count),
  /** Resolves when the link is down. */
  ended: (): Promise<void> => end
}

export type LinkWorker = typeof worker

expose(worker)
