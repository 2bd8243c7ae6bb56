/** A part of the swarm ended although it was needed. The message is one line. Exit code 1. */
export class PartFailure extends Error {
  override readonly name = 'PartFailure'
}
