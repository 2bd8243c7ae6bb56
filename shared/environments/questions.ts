import { createRng } from '../random/rng.ts'
import { LIMITS } from '../protocol/limits.ts'
import { v } from '../protocol/schema.ts'
import { EnvironmentError } from './environment-error.ts'
import type { Environment, Split } from './environment.ts'
import { answered, type SingleTurnState } from './single-turn.ts'

/** One line of the data, as in GSM8K (Cobbe et al. 2021): the answer may show its working, and ends with `#### 42`. */
export const questionAndAnswer = v.object({
  question: v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.questionText)),
  answer: v.pipe(v.string(), v.minLength(1), v.maxLength(LIMITS.questionText))
})
export type QuestionAndAnswer = v.InferOutput<typeof questionAndAnswer>

export const questionsOptions = v.strictObject({
  /** Read from the file that the run file names; this module knows no files. */
  questions: v.optional(v.pipe(v.array(questionAndAnswer), v.maxLength(LIMITS.questions)), [])
})
export type QuestionsOptions = v.InferOutput<typeof questionsOptions>

/** One question in this many is held out. */
const HELD_OUT_SHARE = 8
/** For a wrong answer that names a final one. */
const FORMAT_REWARD = 0.1
const FINAL_MARK = '####'

/** A question of the data, and `answer:` on a line of its own. The final answer has to be the data's, exactly but for spaces, thousands' commas and a currency sign. */
export function questions({ questions: all }: QuestionsOptions): Environment<QuestionAndAnswer, SingleTurnState<QuestionAndAnswer>> {
  const bySplit: Record<Split, QuestionAndAnswer[]> = { train: [], 'held-out': [] }
  for (const each of all) bySplit[splitOf(each)].push(each)
  if (all.length === 0) throw new EnvironmentError('environment "questions" has no questions; name a JSONL file of {"question", "answer"} as file in [environment]')
  for (const [split, those] of Object.entries(bySplit)) {
    if (those.length === 0) throw new EnvironmentError(`environment "questions": none of the ${all.length} questions is in the ${split} split, which one in ${HELD_OUT_SHARE} decides by its text; give more`)
  }
  return {
    name: 'questions',
    sample: (seed, split) => bySplit[split][createRng(`questions/${seed}`).below(bySplit[split].length)]!,
    start: task => ({ task }),
    render: ({ task }) => `${task.question}\nanswer:`,
    step: (state, action) => {
      const success = normalised(finalAnswer(action)) === normalised(finalAnswer(state.task.answer))
      return answered(state, action, success ? 1 : action.includes(FINAL_MARK) ? FORMAT_REWARD : 0, success)
    },
    view: ({ task, answer }) => {
      if (answer === undefined) return `${task.question}\n?`
      const right = normalised(finalAnswer(task.answer))
      return `${task.question}\n${answer} ${normalised(finalAnswer(answer)) === right ? '✓' : `✗ (${right})`}`
    },
    answer: ({ answer = '' }) => normalised(finalAnswer(answer)),
    demonstrate: ({ task }) => task.answer
  }
}

/** The split of a question, by its text alone: a file may grow without moving what it had. */
export function splitOf({ question }: QuestionAndAnswer): Split {
  return createRng(`questions split/${question}`).below(HELD_OUT_SHARE) === 0 ? 'held-out' : 'train'
}

/** What follows the last `####`, or all of it. */
function finalAnswer(text: string): string {
  return text.slice(text.lastIndexOf(FINAL_MARK) + (text.includes(FINAL_MARK) ? FINAL_MARK.length : 1))
}

function normalised(answer: string): string {
  const plain = answer.trim().replaceAll(/\s+/g, ' ').replace(/^\$/, '')
  return /^-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$/.test(plain) ? plain.replaceAll(',', '') : plain
}
