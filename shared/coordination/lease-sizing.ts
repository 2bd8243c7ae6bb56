/**
 * How much one hungry peer gets at once: its share of what is left, so that early and big wishes leave work for others
 * and all finish together; shares shrink as the rest does (guided self-scheduling, Polychronopoulos & Kuck 1987).
 */
export interface LeaseWish {
  /** Rollouts that the peer would take. */
  readonly wish: number
  /** Samples that could be leased to it now. */
  readonly available: number
  /** Peers that want work or are working, itself included. */
  readonly activePeers: number
  /** G: a share is not cut below one group, whose prompt is then processed once. */
  readonly groupSize: number
  /** The protocol's limit on one lease. */
  readonly most: number
}

export function leaseSize({ wish, available, activePeers, groupSize, most }: LeaseWish): number {
  const share = Math.max(groupSize, Math.ceil(available / Math.max(1, activePeers)))
  return Math.min(wish, available, share, most)
}
