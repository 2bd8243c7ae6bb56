/** A policy from disk: a model's folder, or a version of a run. */
import * as ort from 'onnxruntime-node'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import type { LoraConfig } from '#shared/model/lora.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { readModel } from '../model-files.ts'
import type { RunFile } from '../run-file-schema.ts'
import { openCheckpoints, type CheckpointStore } from '../store/checkpoints.ts'
import { openRunDirectory } from '../store/run-directory.ts'
import { UserError } from '../user-error.ts'
import type { PlayingPolicy } from './play-episodes.ts'

/** Undefined: the newest that is kept. */
export type WantedVersion = number | 'best' | undefined

export interface StoredPolicy {
  readonly policy: PlayingPolicy
  /** Of the run; undefined for a model alone. */
  readonly version: number | undefined
  readonly close: () => Promise<void>
}

/** @throws {UserError} one line about the folder */
export async function openModel(directory: string): Promise<StoredPolicy> {
  return opened(directory, null, undefined, undefined)
}

/**
 * @param version undefined: the newest; `best`: the one that the run's evaluations found best
 * @throws {UserError | ModelFileError} one line: the run or the version that is not there, or is damaged
 */
export async function openRunVersion(path: string, version: WantedVersion): Promise<StoredPolicy & { readonly runFile: RunFile }> {
  const { runFile, checkpoints: folder } = openRunDirectory(path)
  const lora = runFile.parameters === 'lora' ? runFile.lora : null
  const { config } = await readModel(runFile.model.path)
  const checkpoints = openCheckpoints({ folder, config, lora, baseModel: runFile.model.path, keep: Number.MAX_SAFE_INTEGER })
  const wanted = keptVersion(path, checkpoints, version)
  return { ...(await opened(runFile.model.path, lora, checkpoints.read(wanted).parameters, wanted)), runFile }
}

async function opened(directory: string, lora: LoraConfig | null, parameters: Tensors | undefined, version: number | undefined): Promise<StoredPolicy> {
  const { config, tokenizer, weights } = await readModel(directory)
  const engine = await createOrtSliceEngine({ runtime: ort, kind: 'node', config, weights, sessionOptions: cpuSessionOptions('cpu', 2), ...(lora !== null && { lora }) })
  if (parameters !== undefined) await (lora === null ? engine.setWeights(parameters) : engine.setAdapter(parameters))
  return { policy: { engine, tokenizer }, version, close: () => engine.release() }
}

/** @throws {UserError} one line: which versions there are */
export function keptVersion(path: string, checkpoints: CheckpointStore, version: WantedVersion): number {
  const kept = checkpoints.versions()
  if (version === 'best') {
    const best = checkpoints.best()
    if (best === undefined) throw new UserError(`${path}: no version was found best, because none was measured (evaluation.every in the run file); kept are ${kept.join(', ') || 'none'}`)
    return best.version
  }
  const wanted = version ?? kept.at(-1)
  if (wanted === undefined || !kept.includes(wanted)) throw new UserError(`${path}: there is no checkpoint of version ${wanted ?? 0}; kept are ${kept.join(', ') || 'none'}`)
  return wanted
}
