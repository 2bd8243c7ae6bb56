/** Whatever moves many bytes from one tab to another while hidden states pass beside them: what the benchmark asks of each way to do it. */

/** What a contestant may ask of its tab. */
export interface TabPort {
  /** To the other tab, past the emulated network. */
  signal(data: string): void
  hiddenStateArrived(fragment: Uint8Array<ArrayBuffer>): void
}

export interface BulkSide {
  /** Resolves when hidden states can be sent, and the bulk where it has no connection of its own. */
  readonly linked: Promise<void>
  takeSignal(data: string): void
  sendHiddenState(fragment: Uint8Array<ArrayBuffer>): void
}

export interface BulkSender extends BulkSide {
  /** What the receiver must know of the bytes before it can ask for them; can be JSON. */
  readonly offer: unknown
  /** Ordered together with the receiver's `receive`. */
  send(): void
}

export interface BulkReceiver extends BulkSide {
  /** Payload that has arrived. */
  readonly receivedBytes: number
  /** @param begun called once, when everything is ready for the first byte: the time before it does not count */
  receive(begun: () => void): Promise<void>
}

export interface Contestant {
  /** Opened first. @param tracker address of a BitTorrent tracker, for those who need one */
  openSender(bytes: Uint8Array<ArrayBuffer>, tracker: string, port: TabPort): Promise<BulkSender>
  /** Makes the links. */
  openReceiver(offer: unknown, tracker: string, port: TabPort): Promise<BulkReceiver>
}
