/** One file for each finished cell of a benchmark that takes an hour: what was measured is kept when it is interrupted, and measured again when what it depends on has changed. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeDurably } from '#trainer/store/durable-file.ts'

export class Cells {
  readonly #folder: string

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.#folder = folder
  }

  /** The file of a cell: an input of those that depend on its result. */
  file(name: string): string {
    return join(this.#folder, `${name}.json`)
  }

  /**
   * @param name of the cell, valid as a file's name
   * @param inputs files whose content the result depends on
   * @param measure called unless the cell is there with the same inputs; its result is JSON
   */
  async get<Result>(name: string, inputs: readonly string[], measure: () => Promise<Result>): Promise<{ readonly result: Result; readonly kept: boolean }> {
    const file = this.file(name)
    const fingerprint = fingerprintOf(inputs)
    if (existsSync(file)) {
      const cell = JSON.parse(readFileSync(file, 'utf8')) as { readonly fingerprint: string; readonly result: Result }
      if (cell.fingerprint === fingerprint) return { result: cell.result, kept: true }
    }
    const result = await measure()
    writeDurably(file, `${JSON.stringify({ fingerprint, result })}\n`)
    return { result, kept: false }
  }
}

function fingerprintOf(files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(createHash('sha256').update(readFileSync(file)).digest())
  return hash.digest('hex')
}
