import type { LinkMessage } from '#shared/protocol/link-frames.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { CHANNEL_NAMES, Link, type LinkChannels } from '#web-worker-app/mesh/link.ts'
import { Uplink } from '#web-worker-app/mesh/uplink.ts'
import { Hearing, type Heard } from './hearing.ts'

/** A piece on its way into the browser. */
export interface GivenPiece {
  /** Hidden states that were given before it. */
  readonly fragmentsBefore: number
  /** Bytes of hidden states that the browser still held. */
  readonly stageBytesWaiting: number
}

const HASH = 'ab'.repeat(32)
const FRAGMENT_BYTES = 16_000

/** One end of a link that writes down what it hears; on the page, or in a worker behind comlink. */
export class RecordedLink {
  #channels: LinkChannels | undefined
  #link: Link | undefined
  readonly #hearing = new Hearing()
  readonly #given: GivenPiece[] = []
  #fragmentsGiven = 0

  /** @param atUp is said in the moment in which the link is up */
  open(channels: LinkChannels, atUp: number): void {
    this.#channels = channels
    this.#recordGiven(channels)
    // Its clock stands still, so that a machine that does so for a while is not taken for a link that is stuck.
    this.#link = new Link(channels, new Uplink(() => 0), {
      up: () => {
        this.#hearing.note('up')
        for (let of = 0; of < atUp; of++) this.sayAll(of)
      },
      down: () => this.#hearing.note('down'),
      frame: frame => {
        if (frame.kind === 'message') this.#hearing.note('message', idOf(frame.message))
        else if (frame.kind === 'piece') this.#hearing.note('piece', frame.piece.offset)
        else this.#hearing.note('bad_frame', frame.code)
      },
      stageFragment: fragment => this.#hearing.note('fragment', new DataView(fragment.buffer).getUint32(0))
    })
    this.#link.start()
  }

  sayAll(of: number): void {
    this.#link?.sendMessage({ kind: 'ping', id: of })
    this.sendPieces(of, of + 1)
    this.sendFragments(of, of + 1)
  }

  sendPieces(from: number, to: number): void {
    for (let of = from; of < to; of++) this.#link?.sendPiece({ hash: HASH, offset: of, sentAt: 0, payload: new Uint8Array(LIMITS.pieceBytes) })
  }

  sendFragments(from: number, to: number): void {
    for (let of = from; of < to; of++) {
      const fragment = new Uint8Array(FRAGMENT_BYTES)
      new DataView(fragment.buffer).setUint32(0, of)
      this.#link?.sendStageFragment(fragment)
    }
  }

  /** Pieces first: what is sent last in one task. */
  sendPiecesThenFragments(pieces: number, fragments: number): void {
    this.sendPieces(0, pieces)
    this.sendFragments(0, fragments)
  }

  /** @returns every piece that was given to the browser until now */
  given(): GivenPiece[] {
    return this.#given
  }

  /** Past the link's own checks. */
  sendUnchecked(name: (typeof CHANNEL_NAMES)[number], bytes: number): void {
    this.#channels?.[name].send(name === 'control' ? 'x'.repeat(bytes) : new Uint8Array(bytes))
  }

  close(): void {
    this.#link?.close()
  }

  #recordGiven({ bulk, stages }: LinkChannels): void {
    const [sendPiece, sendFragment] = [bulk.send.bind(bulk), stages.send.bind(stages)]
    bulk.send = (data: string | Uint8Array<ArrayBuffer>): void => {
      this.#given.push({ fragmentsBefore: this.#fragmentsGiven, stageBytesWaiting: stages.bufferedAmount })
      sendPiece(data)
    }
    stages.send = (data: string | Uint8Array<ArrayBuffer>): void => {
      this.#fragmentsGiven++
      sendFragment(data)
    }
  }

  /** Resolves when so many of a kind were heard. @returns all that was heard until then */
  hears(kind: Heard['kind'], count: number): Promise<Heard[]> {
    return this.#hearing.hears(kind, count)
  }
}

function idOf(message: LinkMessage): number {
  return message.kind === 'ping' || message.kind === 'pong' ? message.id : -1
}
