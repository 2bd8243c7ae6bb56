/**
 * Checkpoints on disk, one folder per version: `adapter_model.safetensors` and `adapter_config.json` as PEFT loads them (or
 * `model.safetensors` when all parameters are trained), `optimizer.safetensors`, and `trainer-state.json` with the hashes of
 * the others, so that damage is noticed before it is learnt from.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DecoderConfig } from '#shared/model/config.ts'
import { fromPeftNames, peftAdapterConfig, toPeftNames, type LoraConfig } from '#shared/model/lora.ts'
import { ModelFileError } from '#shared/model/model-file-error.ts'
import { readSafetensors, writeSafetensors } from '#shared/model/safetensors.ts'
import { count } from '#shared/protocol/identifiers.ts'
import { bestVersion, type BestVersion } from '#shared/protocol/run-report.ts'
import { decode, describeMalformed, v } from '#shared/protocol/schema.ts'
import type { TrainedPolicyState } from '../learner/trained-policy.ts'
import { writeDurably, writeFolderDurably, type FileContent } from './durable-file.ts'

const trainerState = v.strictObject({
  format: v.literal(1),
  version: count,
  /** Optimizer updates done; fewer than versions when a step was skipped. */
  optimizerStep: count,
  sha256: v.record(v.string(), v.string())
})

/** Every one of these versions is kept for ever; between them only the newest are. */
const KEPT_EVERY = 50
const BEST_FILE = 'best.json'

export interface CheckpointStore {
  write(version: number, state: TrainedPolicyState): void
  /** @throws {ModelFileError} one line: which file is missing or damaged */
  read(version: number): TrainedPolicyState
  /** Versions that have a folder, oldest first; whether they are whole is found out by reading. */
  versions(): number[]
  /** Keeps a version that is being measured, until it is released. */
  hold(version: number): void
  release(version: number): void
  /** What {@link nameBest} wrote last; undefined where nothing did, or its version is gone. */
  best(): BestVersion | undefined
  /** Keeps a version for good, or until another is better, and writes down in `best.json` which one that is. */
  nameBest(best: BestVersion): void
  /** Forgets everything newer: it was never announced. */
  removeAfter(version: number): void
}

export interface CheckpointOptions {
  readonly folder: string
  readonly config: DecoderConfig
  /** null: all parameters are trained. */
  readonly lora: LoraConfig | null
  /** Written into `adapter_config.json`. */
  readonly baseModel: string
  /** Newest checkpoints to keep. */
  readonly keep: number
}

export function openCheckpoints({ folder, config, lora, baseModel, keep }: CheckpointOptions): CheckpointStore {
  mkdirSync(folder, { recursive: true })
  const parametersFile = lora === null ? 'model.safetensors' : 'adapter_model.safetensors'
  const folderOf = (version: number): string => join(folder, `version-${version}`)

  const versions = (): number[] =>
    readdirSync(folder)
      .flatMap(name => /^version-(\d+)$/.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b)

  const held = new Set<number>()
  const bestFile = join(folder, BEST_FILE)
  const best = (): BestVersion | undefined => {
    const named = readBest(bestFile)
    return named !== undefined && existsSync(folderOf(named.version)) ? named : undefined
  }
  const prune = (): void => {
    const named = best()?.version
    for (const version of versions().slice(0, -keep)) {
      if (version % KEPT_EVERY !== 0 && version !== named && !held.has(version)) rmSync(folderOf(version), { recursive: true })
    }
  }

  return {
    versions,
    write: (version, { step, parameters, moments }) => {
      const files = new Map<string, FileContent>([
        [parametersFile, writeSafetensors(lora === null ? parameters : toPeftNames(parameters))],
        ['optimizer.safetensors', writeSafetensors(moments)]
      ])
      if (lora !== null) files.set('adapter_config.json', json(peftAdapterConfig(lora, baseModel)))
      const sha256 = Object.fromEntries([...files].map(([name, content]) => [name, hashOf(content)]))
      files.set('trainer-state.json', json({ format: 1, version, optimizerStep: step, sha256 }))
      writeFolderDurably(folderOf(version), files)
      prune()
    },
    read: version => {
      const load = (name: string): Uint8Array => {
        const path = join(folderOf(version), name)
        if (!existsSync(path)) throw new ModelFileError(path, 'missing from the checkpoint')
        return readFileSync(path)
      }
      const state = readState(load('trainer-state.json'), join(folderOf(version), 'trainer-state.json'))
      const checked = (name: string): Uint8Array => {
        const bytes = load(name)
        if (hashOf(bytes) !== state.sha256[name]) throw new ModelFileError(join(folderOf(version), name), 'damaged: it is not what was written')
        return bytes
      }
      const tensors = readSafetensors(checked(parametersFile), parametersFile)
      return {
        step: state.optimizerStep,
        parameters: lora === null ? tensors : fromPeftNames(parametersFile, tensors, config, lora),
        moments: readSafetensors(checked('optimizer.safetensors'), 'optimizer.safetensors')
      }
    },
    hold: version => void held.add(version),
    release: version => {
      held.delete(version)
      prune()
    },
    best,
    nameBest: named => {
      writeDurably(bestFile, json(named))
      prune()
    },
    removeAfter: version => {
      if ((readBest(bestFile)?.version ?? 0) > version) rmSync(bestFile)
      for (const newer of versions()) if (newer > version) rmSync(folderOf(newer), { recursive: true })
    }
  }
}

/** A file that says nothing usable says nothing: the evaluations in the run's books name the best version anew. */
function readBest(path: string): BestVersion | undefined {
  try {
    const decoded = decode(bestVersion, JSON.parse(readFileSync(path, 'utf8')))
    return decoded.kind === 'ok' ? decoded.value : undefined
  } catch {
    return undefined
  }
}

function readState(bytes: Uint8Array, path: string): v.InferOutput<typeof trainerState> {
  let raw: unknown
  try {
    raw = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw new ModelFileError(path, 'damaged: it is not JSON')
  }
  const decoded = decode(trainerState, raw)
  if (decoded.kind === 'malformed') throw new ModelFileError(path, describeMalformed('damaged', decoded))
  return decoded.value
}

function hashOf(content: FileContent): string {
  return createHash('sha256').update(content).digest('hex')
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
