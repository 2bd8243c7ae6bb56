/** A model file that cannot be used. The message is one line for the user: which file, what is wrong, what to do. */
export class ModelFileError extends Error {
  override readonly name = 'ModelFileError'
  readonly file: string

  constructor(file: string, problem: string) {
    super(`${file}: ${problem}`)
    this.file = file
  }
}
