/** Bad input. The message is one line for the user: what is wrong, where, and what to do. The process ends with exit code 2. */
export class UserError extends Error {
  override readonly name = 'UserError'
}
