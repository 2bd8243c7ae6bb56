/** `leading`: decides; `following`: passes on to the one that does; `leaderless`: nobody does, or it is not reached. */
export const CLUSTER_ROLES = ['leading', 'following', 'leaderless'] as const

export interface ClusterStatus {
  readonly role: (typeof CLUSTER_ROLES)[number]
  readonly redis: 'reachable' | 'unreachable'
}
