/**
 * How hard the next prompts are: a level that rises when most rollouts of the present one succeed, and falls when hardly any do.
 * A prompt's level is decided when its number is given out and never changes. Plain data; JSON is its snapshot.
 */

export interface CurriculumRules {
  /** How many there are; 0 is the easiest. */
  readonly levels: number
  /** Rollouts at the present level whose successes are counted before anything changes. */
  readonly window: number
  /** Success at which the level rises, and at which it falls: shares, up above down. */
  readonly up: number
  readonly down: number
}

export interface Curriculum {
  level: number
  /** Of the present level since it began, newest last; at most `window`. */
  recent: boolean[]
  /** Prompts from `prompt` on are of `level`, up to the next entry. */
  readonly starts: { readonly prompt: number; readonly level: number }[]
}

export interface PromptOutcome {
  readonly prompt: number
  readonly success: boolean
}

export function createCurriculum(): Curriculum {
  return { level: 0, recent: [], starts: [{ prompt: 0, level: 0 }] }
}

export function levelOf({ starts }: Curriculum, prompt: number): number {
  return starts.findLast(start => start.prompt <= prompt)!.level
}

/**
 * @param outcomes of the rollouts of one learner step, in its order; those of other levels than the present one say nothing about it
 * @param nextPrompt the first prompt that has not been given out: a change applies from there
 */
export function noteOutcomes(curriculum: Curriculum, rules: CurriculumRules, outcomes: readonly PromptOutcome[], nextPrompt: number): void {
  const counted = outcomes.filter(({ prompt }) => levelOf(curriculum, prompt) === curriculum.level).map(({ success }) => success)
  curriculum.recent = [...curriculum.recent, ...counted].slice(-rules.window)
  if (curriculum.recent.length < rules.window) return
  const rate = curriculum.recent.filter(Boolean).length / rules.window
  const step = rate >= rules.up ? 1 : rate <= rules.down ? -1 : 0
  const level = Math.min(rules.levels - 1, Math.max(0, curriculum.level + step))
  if (level === curriculum.level) return
  curriculum.level = level
  curriculum.recent = []
  // No prompt was given out at a level that began at this very number.
  if (curriculum.starts.at(-1)!.prompt === nextPrompt) curriculum.starts.pop()
  curriculum.starts.push({ prompt: nextPrompt, level })
}
