/** One line for the user: what is wrong with the environment's name, options or data, where, and what is allowed. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
}
