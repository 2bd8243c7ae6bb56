import type { LinkMessage, Piece } from '#shared/protocol/link-frames.ts'
import type { LinkFrame } from './link-frame.ts'
import { Link, type LinkChannels } from './link.ts'
import { Uplink } from './uplink.ts'

/** Of one connection of this page: another to the same tab has another number. */
export type LinkId = number

export interface LinksListener {
  linkUp(peer: string, id: LinkId): void
  /** A link that was up is not any more. */
  linkDown(peer: string): void
  /** Its connection is of no more use. */
  closed(id: LinkId): void
  frame(peer: string, frame: LinkFrame): void
  /** A fragment of a stage frame, as it came. */
  stageFragment(peer: string, fragment: Uint8Array<ArrayBuffer>): void
  /** Bytes of pieces left in so many milliseconds, while there were always more to send. */
  uploaded(bytes: number, ms: number): void
}

/** All links of this tab, one to each other tab at most. Who links to whom is the signaling server's choice; every frame is checked before it is passed on. */
export class Links {
  readonly #listener: LinksListener
  readonly #links = new Map<string, { readonly id: LinkId; readonly link: Link }>()
  readonly #uplink: Uplink

  constructor(listener: LinksListener) {
    this.#listener = listener
    this.#uplink = new Uplink(() => performance.now(), (bytes, ms) => listener.uploaded(bytes, ms))
  }

  /** The channels of a connection that is being made. It replaces the link that is there. */
  add(peer: string, id: LinkId, channels: LinkChannels): void {
    this.close(peer)
    const listener = this.#listener
    const link = new Link(channels, this.#uplink, {
      up: () => listener.linkUp(peer, id),
      down: wasUp => {
        this.#links.delete(peer)
        if (wasUp) listener.linkDown(peer)
        listener.closed(id)
      },
      frame: frame => listener.frame(peer, frame),
      stageFragment: fragment => listener.stageFragment(peer, fragment)
    })
    this.#links.set(peer, { id, link })
    link.start()
  }

  sendMessage(peer: string, message: LinkMessage): void {
    this.#links.get(peer)?.link.sendMessage(message)
  }

  sendPiece(peer: string, piece: Piece): void {
    this.#links.get(peer)?.link.sendPiece(piece)
  }

  sendStageFragment(peer: string, fragment: Uint8Array<ArrayBuffer>): void {
    this.#links.get(peer)?.link.sendStageFragment(fragment)
  }

  close(peer: string): void {
    this.#links.get(peer)?.link.close()
  }

  /** The connection is no more. */
  remove(peer: string, id: LinkId): void {
    if (this.#links.get(peer)?.id === id) this.close(peer)
  }

  closeAll(): void {
    for (const peer of this.#links.keys()) this.close(peer)
  }
}
