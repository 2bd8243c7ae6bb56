/** What a tab must know of a run before it can decide to help. */
import { count, finite, publicKey, runId } from './identifiers.ts'
import { LIMITS } from './limits.ts'
import { v } from './schema.ts'

export const loraDescription = v.strictObject({
  rank: v.pipe(count, v.minValue(1), v.maxValue(512)),
  alpha: v.pipe(finite, v.minValue(0)),
  targets: v.pipe(v.array(v.picklist(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'])), v.minLength(1), v.maxLength(7))
})
export type LoraDescription = v.InferOutput<typeof loraDescription>

export const runDescription = v.strictObject({
  run: runId,
  /** One sentence for people: what is being learnt. */
  goal: v.pipe(v.string(), v.maxLength(500)),
  mode: v.picklist(['sequential', 'async']),
  stalenessBudget: count,
  /** config.json of the base model, as in its Hugging Face directory; `parseDecoderConfig` checks it. */
  model: v.record(v.string(), v.unknown()),
  /** null: the run trains all parameters and publishes `full` and `delta` versions. */
  lora: v.nullable(loraDescription),
  /** Ed25519 public key that signs the run's manifests, hexadecimal. */
  publicKey,
  /** Bytes of the base model, for the cost shown before the start. */
  downloadBytes: count,
  /** Most bytes that the weights of one version may have, of whatever kind; a manifest of more is refused. */
  versionBytes: v.pipe(count, v.maxValue(LIMITS.originBytesPerRun))
})
export type RunDescription = v.InferOutput<typeof runDescription>
