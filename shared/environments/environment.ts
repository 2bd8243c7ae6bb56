/** The port of a task with a verifiable reward. A task is one file that implements it and one entry in `environments.ts`. */

/** Training draws from `train`; `held-out` problems are never trained on and measure success. */
export type Split = 'train' | 'held-out'

export interface StepResult<State> {
  readonly state: State
  /** No further action is asked for. */
  readonly done: boolean
  /** In [0, 1]; what the learner sees. It may be graded to give a weak policy a direction. */
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
 * reward any rollout itself. `Task` and `State` are plain JSON values. One turn is render → the policy's text → step.
 */
export interface Environment<Task = unknown, State = unknown> {
  readonly name: string
  /** Draws a task; the same seed and split give the same task. */
  sample(seed: number | string, split: Split): Task
  start(task: Task): State
  /** What the policy is shown: the prompt of the next action. Tasks are told apart by it, so one policy can learn several. */
  render(state: State): string
  /**
   * @param action the policy's text; any string is a legal argument, a senseless one earns little
   * @throws {Error} when the state is already done
   */
  step(state: State, action: string): StepResult<State>
  /** The state as one or more lines for people. */
  view(state: State): string
  /** A correct action, where the task knows one: the data of the supervised warm start. */
  demonstrate?(state: State): string
}
