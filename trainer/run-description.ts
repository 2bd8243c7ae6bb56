import type { LoraConfig } from '#shared/model/lora.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import type { Model } from '#shared/model/model-directory.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import type { RunDescription } from '#shared/protocol/run-description.ts'
import type { RunDirectory } from './store/run-directory.ts'

/** @param trained the tensors of which a version consists, of whatever version */
export function describeRun({ run, runFile, signingKey }: RunDirectory, model: Model, lora: LoraConfig | null, trained: Tensors): RunDescription {
  const { goal, mode, stalenessBudget } = runFile
  const bytes = bytesOfTensors(model.weights)
  return {
    run,
    goal,
    mode,
    stalenessBudget,
    model: toHuggingFaceConfig(model.config),
    lora: lora === null ? null : { ...lora, targets: [...lora.targets] },
    publicKey: signingKey.publicKey,
    downloadBytes: bytes,
    versionBytes: Math.max(bytes, bytesOfTensors(trained))
  }
}

function bytesOfTensors(tensors: Tensors): number {
  return [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0)
}
