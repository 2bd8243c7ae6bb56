/** What stages of a pipeline need of the way to a neighbour, whether it is a link or the signaling server that passes on. Fragments keep their order, and none is lost while it is up. */
export interface StageLink {
  readonly isUp: boolean
  /** Lost when it is not up. */
  sendStageFragment(fragment: Uint8Array<ArrayBuffer>): void
  /** At both ends. */
  close(): void
}

export interface StageLinkListener {
  /** Both ends listen: what is sent from now on arrives. */
  up(): void
  /** Once. Nothing is heard afterwards. */
  down(wasUp: boolean): void
  /** A fragment of a stage frame, as it came. */
  stageFragment(fragment: Uint8Array<ArrayBuffer>): void
}
