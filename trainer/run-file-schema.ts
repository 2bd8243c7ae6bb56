import { v } from '#shared/protocol/schema.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { loraDescription } from '#shared/protocol/run-description.ts'
import { ADVANTAGE_ESTIMATORS } from './learner/advantage.ts'
import { DEFAULT_OPTIMIZER } from './learner/optimizer-config.ts'
import { PRECISIONS } from './learner/precision.ts'

const whole = (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most))
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0))
const notNegative = v.pipe(v.number(), v.finite(), v.minValue(0))
const decay = v.pipe(v.number(), v.minValue(0), v.ltValue(1))

const loss = v.variant('kind', [
  v.strictObject({ kind: v.literal('dppo'), low: v.optional(positive, 0.2), high: v.optional(positive, 0.2), klTau: v.optional(notNegative, 1e-3) }),
  v.strictObject({ kind: v.literal('clip'), low: v.optional(positive, 0.2), high: v.optional(positive, 0.28), delta: v.optional(v.pipe(v.number(), v.gtValue(1)), 4) }),
  v.strictObject({ kind: v.literal('truncated-importance-sampling'), cap: v.optional(positive, 2) })
])

/** A run file as a table of tables; `docs/run-file.md` explains the keys to people. */
export const runFile = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(60)),
  /** One sentence for volunteers. */
  goal: v.pipe(v.string(), v.minLength(1), v.maxLength(500)),
  seed: v.optional(whole(0), 0),
  mode: v.optional(v.picklist(['sequential', 'async']), 'async'),
  /** S, in versions. Sequential mode makes it 0. */
  stalenessBudget: v.optional(whole(0, 1023), 4),
  /** Learner steps after which the run ends. */
  updates: whole(1, LIMITS.pointsPerSeries),
  /** What is trained: a LoRA adapter, or every parameter. */
  parameters: v.optional(v.picklist(['lora', 'full']), 'lora'),
  /** With all parameters trained: what versions are rounded to; the learner keeps float32 beside. */
  precision: v.optional(v.picklist(PRECISIONS), 'float32'),
  /** With all parameters trained: versions are published as deltas of the one before where that is smaller. */
  deltas: v.optional(v.boolean(), true),
  /** Folder with config.json, tokenizer.json and model.safetensors. */
  model: v.strictObject({ path: v.pipe(v.string(), v.minLength(1)) }),
  environment: v.strictObject({
    name: v.string(),
    /** JSONL, for tasks that are made of data. */
    file: v.optional(v.pipe(v.string(), v.minLength(1))),
    options: v.optional(v.record(v.string(), v.unknown()), {})
  }),
  /** Absent: all prompts are of the environment's own options. */
  curriculum: v.optional(
    v.strictObject({
      /** Options that replace the environment's, easiest first. */
      levels: v.pipe(v.array(v.record(v.string(), v.unknown())), v.minLength(2), v.maxLength(64)),
      /** Rollouts at a level that are counted before it changes. */
      window: v.optional(whole(1, 1_000_000), 256),
      /** Share of them that succeeded: at least `up`, the next level; at most `down`, the one before. */
      up: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 0.7),
      down: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0.2)
    })
  ),
  batch: v.optional(
    v.strictObject({
      /** P: prompts of one learner step. */
      prompts: v.optional(whole(1, 4096), 16),
      /** G: samples of each prompt. */
      group: v.optional(whole(2, 1024), 16),
      /** Most tokens of one action. */
      maxTokens: v.optional(whole(1, LIMITS.tokensPerRollout), 16),
      /** Most actions of one sample. Absent: the task's. */
      turns: v.optional(whole(1, LIMITS.turnsPerRollout)),
      /** Most tokens of one sample: prompt, actions and observations. Absent: the model's context. */
      rolloutTokens: v.optional(whole(2, LIMITS.tokensPerRollout))
    }),
    {}
  ),
  lora: v.optional(
    v.strictObject({
      rank: v.optional(loraDescription.entries.rank, 8),
      alpha: v.optional(positive, 32),
      targets: v.optional(loraDescription.entries.targets, ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'])
    }),
    {}
  ),
  optimizer: v.optional(
    v.strictObject({
      learningRate: v.optional(positive, DEFAULT_OPTIMIZER.learningRate),
      warmupSteps: v.optional(whole(0), DEFAULT_OPTIMIZER.warmupSteps),
      /** `linear`: the learning rate falls to 0 over the run's updates. */
      decay: v.optional(v.picklist(['none', 'linear']), 'none'),
      beta1: v.optional(decay, DEFAULT_OPTIMIZER.beta1),
      beta2: v.optional(decay, DEFAULT_OPTIMIZER.beta2),
      epsilon: v.optional(positive, DEFAULT_OPTIMIZER.epsilon),
      weightDecay: v.optional(notNegative, DEFAULT_OPTIMIZER.weightDecay),
      maxGradientNorm: v.optional(positive, DEFAULT_OPTIMIZER.maxGradientNorm)
    }),
    {}
  ),
  loss: v.optional(loss, { kind: 'dppo' }),
  advantage: v.optional(
    v.strictObject({
      kind: v.optional(v.picklist(ADVANTAGE_ESTIMATORS), 'grpo'),
      /** β, of each token's advantage: so much for being unlikely. */
      entropyBonus: v.optional(notNegative, 0)
    }),
    {}
  ),
  evaluation: v.optional(
    v.strictObject({
      /** Held-out tasks, decoded greedily before and after the run. */
      size: v.optional(whole(1, 100_000), 256),
      /** Learner steps between evaluations; 0: only before and after. */
      every: v.optional(whole(0), 0),
      /** k: samples of each task, for avg@k, pass@k and maj@k; 0: greedy decoding only. */
      samples: v.optional(whole(0, 1_024), 0),
      /** The best version is the one with the highest mean of this: `success`, `reward`, or a metric of the task. */
      best: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.taskName)), 'success')
    }),
    {}
  ),
  stop: v.optional(
    v.strictObject({
      /** Held-out success at which the run ends before its updates are done; needs `evaluation.every`. */
      success: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)))
    }),
    {}
  )
})

export type RunFile = v.InferOutput<typeof runFile>
