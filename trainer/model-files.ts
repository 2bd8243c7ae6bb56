import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelFileError } from '#shared/model/model-file-error.ts'
import { readModelDirectory, type Model, type ReadModelFile } from '#shared/model/model-directory.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { UserError } from './user-error.ts'

/** Reads the files of a model directory on disk, for `readModelDirectory`. */
export function modelFiles(directory: string): ReadModelFile {
  return async file => {
    try {
      return await readFile(join(directory, file))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
}

/** @throws {UserError} one line: which file of which folder is missing, truncated or does not fit, and what to do */
export async function readModel(directory: string): Promise<Model> {
  try {
    return await readModelDirectory(modelFiles(directory))
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error
    throw new UserError(join(directory, error.message))
  }
}

/** The model's tokenizer.json without its white space; null when it is larger than a signaling server takes. */
export async function readTokenizerText(directory: string): Promise<string | null> {
  const text = JSON.stringify(JSON.parse(await readFile(join(directory, 'tokenizer.json'), 'utf8')))
  return Buffer.byteLength(JSON.stringify(text)) > LIMITS.tokenizerBytes ? null : text
}
