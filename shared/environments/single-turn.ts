import type { StepResult } from './environment.ts'

/** The state of a task that is answered in one action. */
export interface SingleTurnState<Task> {
  readonly task: Task
  /** Absent until the policy has answered. */
  readonly answer?: string
}

/** @throws {Error} when the task was answered before */
export function answered<Task>(state: SingleTurnState<Task>, answer: string, reward: number, success: boolean): StepResult<SingleTurnState<Task>> {
  if (state.answer !== undefined) throw new Error('step: the task is already answered')
  return { state: { task: state.task, answer }, done: true, reward, info: { success } }
}

/** `37+48=85 ✗ (85 was right)`-like line: the question, the answer and, when it is wrong, the right one. */
export function viewAnswer(question: string, answer: string | undefined, expected: string): string {
  if (answer === undefined) return `${question}?`
  return answer === expected ? `${question}${answer} ✓` : `${question}${answer} ✗ (${expected})`
}
