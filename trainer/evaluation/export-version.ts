/** Makes a folder that holds a version of a run as a model of its own, for other programs and for other runs' `[model] path`. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { mergeAdapter } from '#shared/model/merge-adapter.ts'
import { writeSafetensors } from '#shared/model/safetensors.ts'
import { readModel } from '../model-files.ts'
import { openCheckpoints } from '../store/checkpoints.ts'
import { writeFolderDurably, type FileContent } from '../store/durable-file.ts'
import { openRunDirectory } from '../store/run-directory.ts'
import { UserError } from '../user-error.ts'
import { keptVersion, type WantedVersion } from './stored-policy.ts'

/** Of the base model, where it has them: what says how text becomes tokens. */
const COPIED = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json', 'special_tokens_map.json']

/**
 * An adapter is merged into the base model's weights; by itself, as PEFT loads it, it stands in the run's checkpoint.
 * @returns the version
 * @throws {UserError | ModelFileError} one line: the run or version that is not there or is damaged, or a folder with something in it
 */
export async function exportVersion(run: string, version: WantedVersion, out: string): Promise<number> {
  if (existsSync(out) && (!statSync(out).isDirectory() || readdirSync(out).length > 0)) throw new UserError(`${out}: there is something already; choose another --out`)
  if (basename(out).startsWith('.')) throw new UserError(`${out}: the folder of a model does not begin with a dot; choose another --out`)
  const { runFile, checkpoints: folder } = openRunDirectory(run)
  const lora = runFile.parameters === 'lora' ? runFile.lora : null
  const { config, weights } = await readModel(runFile.model.path)
  const checkpoints = openCheckpoints({ folder, config, lora, baseModel: runFile.model.path, keep: Number.MAX_SAFE_INTEGER })
  const wanted = keptVersion(run, checkpoints, version)
  const { parameters } = checkpoints.read(wanted)
  const files = new Map<string, FileContent>([['model.safetensors', writeSafetensors(lora === null ? parameters : mergeAdapter(weights, parameters, config, lora))]])
  for (const name of COPIED) {
    const path = join(runFile.model.path, name)
    if (existsSync(path)) files.set(name, readFileSync(path))
  }
  writeFolderDurably(out, files)
  return wanted
}
