/** Everything that a run is made of, opened and at the point where the run stands. */
import { createCurriculum, levelOf, type Curriculum } from '#shared/coordination/curriculum.ts'
import type { RunFacts } from '#shared/coordination/run-ledger.ts'
import type { EpisodeLimits } from '#shared/environments/episode.ts'
import { initialAdapter, type LoraConfig } from '#shared/model/lora.ts'
import type { Model } from '#shared/model/model-directory.ts'
import type { Tensors } from '#shared/model/tensor.ts'
import { createRng } from '#shared/random/rng.ts'
import { RolloutBook } from './coordinator/rollout-book.ts'
import { environmentSpec, openLevels } from './environment-spec.ts'
import { episodeLimits } from './episode-limits.ts'
import { checkThatPromptsFit, EpisodeSource, taskSeed } from './episode-source.ts'
import { startEvaluationThread, type EvaluationThread } from './evaluation/evaluation-thread.ts'
import { startLearnerThread, type LearnerThread } from './learner/learner-thread.ts'
import type { OptimizerConfig } from './learner/optimizer-config.ts'
import { readModel, readTokenizerText } from './model-files.ts'
import { now } from './run-clock.ts'
import { freshStart, resumedStart, type RunStart } from './run-recovery.ts'
import { openCheckpoints, type CheckpointStore } from './store/checkpoints.ts'
import type { RunFile } from './run-file-schema.ts'
import { RunDatabase } from './store/run-database.ts'
import type { RunDirectory } from './store/run-directory.ts'
import { startVerifierThread, type VerifierThread } from './verifier/verifier-thread.ts'

export interface RunParts {
  readonly model: Model
  /** Text of tokenizer.json, for the signaling server; null when it is too large. */
  readonly tokenizer: string | null
  readonly lora: LoraConfig | null
  readonly book: RolloutBook
  readonly database: RunDatabase
  readonly checkpoints: CheckpointStore
  readonly start: RunStart
  readonly curriculum: Curriculum
  readonly learner: LearnerThread
  readonly verifier: VerifierThread
  readonly evaluation: EvaluationThread
  /** The trained tensors of the newest version. */
  newest: Tensors
}

/**
 * Loads the model, starts the threads and finds out where the run stands.
 * @param warn receives one line about everything that is wrong but not fatal, such as a damaged checkpoint
 * @throws {UserError | EnvironmentError} one line about what the run file or the folder has wrong
 */
export async function openRunParts(directory: RunDirectory, warn: (line: string) => void): Promise<RunParts> {
  const { runFile } = directory
  const model = await readModel(runFile.model.path)
  const tokenizer = await readTokenizerText(runFile.model.path)
  if (tokenizer === null) warn(`${runFile.model.path}: tokenizer.json is too large for the signaling server: its API takes token ids only`)
  const lora: LoraConfig | null = runFile.parameters === 'lora' ? runFile.lora : null
  const environment = environmentSpec(runFile)
  const levels = openLevels(environment)
  const limits = episodeLimits(runFile, model.config.contextLength, levels)
  const facts = factsOf(directory, limits)
  for (const level of levels) checkThatPromptsFit(level, model, runFile.seed, limits)
  const database = new RunDatabase(directory.database)
  const checkpoints = openCheckpoints({ folder: directory.checkpoints, config: model.config, lora, baseModel: runFile.model.path, keep: runFile.stalenessBudget + 2 })
  const snapshot = database.snapshot()
  const curriculum = snapshot?.curriculum ?? createCurriculum()
  const book = new RolloutBook(new EpisodeSource(levels, model, limits), prompt => ({ seed: taskSeed(runFile.seed, prompt), level: levelOf(curriculum, prompt) }))
  const start =
    snapshot === undefined
      ? freshStart(runFile, facts, now())
      : resumedStart({ snapshot, kept: database.kept(), checkpoints }, facts, book, now(), warn)
  if (start.outdated.length > 0) database.record({ changes: start.outdated.map(id => ({ kind: 'outdated', id })), snapshot: { coordinator: start.state, curriculum, ledger: start.ledger } })
  const adapter = lora === null ? null : initialAdapter(model.config, lora, createRng(`adapter/${runFile.seed}`))
  const modelDirectory = runFile.model.path
  const [learner, verifier, evaluation] = await Promise.all([
    startLearnerThread({
      config: model.config,
      lora,
      weights: model.weights,
      adapter,
      optimizer: optimizerOf(runFile),
      precision: runFile.precision,
      grpo: { loss: runFile.loss, advantage: runFile.advantage.kind, entropyBonus: runFile.advantage.entropyBonus }
    }),
    startVerifierThread({ modelDirectory, lora, environment, limits }),
    startEvaluationThread({ modelDirectory, lora, environment, size: runFile.evaluation.size, samples: runFile.evaluation.samples, limits })
  ])
  if (start.learner === undefined) checkpoints.write(0, await learner.learner.state())
  else await learner.learner.restore(start.learner)
  const newest: Tensors = start.learner?.parameters ?? adapter ?? model.weights
  for (const [version, parameters] of start.olderVersions) await verifier.verifier.keep(version, parameters)
  await verifier.verifier.keep(start.state.version, newest)
  return { model, tokenizer, lora, book, database, checkpoints, start, curriculum, learner, verifier, evaluation, newest }
}

function factsOf({ run, runFile }: RunDirectory, { turns }: EpisodeLimits): RunFacts {
  const { goal, environment, mode, stalenessBudget, seed, updates } = runFile
  return { run, goal, task: environment.name, mode, stalenessBudget, seed, updatesPlanned: updates, turns }
}

function optimizerOf({ optimizer: { decay, ...optimizer }, updates }: RunFile): OptimizerConfig {
  return { ...optimizer, decaySteps: decay === 'linear' ? updates : 0 }
}
