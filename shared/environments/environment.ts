/** The port of a task with a verifiable reward. A task is one file that implements it and one entry in `environments.ts`. */

/** Training draws from `train`; `held-out` problems are never trained on and measure success. */
export type Split = 'train' | 'held-out'

export interface StepResult<State> {
  readonly state: State
  /** No further action is asked for. */
  readonly done: boolean
  /** Of this step, in [0, 1]. It may be graded to give a weak policy a direction. The learner sees the sum over a rollout's steps, which stays in [0, 1], too. */
  readonly reward: number
  readonly info: {
    /** The whole task was solved exactly; evaluation counts this and never the graded reward. */
    readonly success: boolean
    /** Other figures for people, by name; a later step's replace an earlier one's. Evaluation shows their means, and nobody learns from them. */
    readonly metrics?: Readonly<Record<string, number>>
  }
}

/**
 * A pure state machine: the same arguments give the same answer on every machine, so that the trainer can replay and
 * reward any rollout itself. `Task` and `State` are plain JSON values. One turn is render → the policy's text → step. How turns
 * become one sequence of tokens is `episode.ts`'s business.
 */
export interface Environment<Task = unknown, State = unknown> {
  readonly name: string
  /** Most actions of an episode, 1 unless given: what a run file's `batch.turns` is by default. */
  readonly turns?: number
  /** Draws a task; the same seed and split give the same task. */
  sample(seed: number | string, split: Split): Task
  start(task: Task): State
  /**
   * What the policy is shown next. Of a state that was only started: the prompt; tasks are told apart by it, so one policy can learn
   * several. After an unfinished step: the observation, which is appended to all that was shown and said before.
   */
  render(state: State): string
  /**
   * @param action the policy's text; any string is a legal argument, a senseless one earns little
   * @throws {Error} when the state is already done
   */
  step(state: State, action: string): StepResult<State>
  /** The state as one or more lines for people. */
  view(state: State): string
  /** The episode so far in the standard text form of its field, where there is one: for other programs, and for pages that draw it. */
  record?(state: State): string
  /** What counts of the texts that were said, for a vote of several samples on one task. Absent: the last of them. */
  answer?(state: State): string
  /** An action to imitate, where the task knows one: the data of the supervised warm start. As a solver acts, or as somebody who has much to learn. */
  demonstrate?(state: State): string
}
