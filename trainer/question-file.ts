/** Reads questions from JSONL: one object with `question` and `answer` a line, as GSM8K is given away; other keys are ignored. */
import { readFileSync, statSync } from 'node:fs'
import { questionAndAnswer, type QuestionAndAnswer } from '#shared/environments/questions.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { decode } from '#shared/protocol/schema.ts'
import { UserError } from './user-error.ts'

const MOST_BYTES = 256 * 1024 * 1024

/** @throws {UserError} one line: the file, the line's number, and what is wrong with it */
export function readQuestions(path: string): QuestionAndAnswer[] {
  const questions: QuestionAndAnswer[] = []
  for (const [index, line] of readText(path).split('\n').entries()) {
    if (line.trim() === '') continue
    if (questions.length === LIMITS.questions) throw new UserError(`${path}, line ${index + 1}: more than ${LIMITS.questions} questions; split the file`)
    questions.push(readLine(line, `${path}, line ${index + 1}`))
  }
  if (questions.length === 0) throw new UserError(`${path}: no questions; each line has to be an object like {"question": "1+1=", "answer": "2"}`)
  return questions
}

function readText(path: string): string {
  try {
    const { size } = statSync(path)
    if (size > MOST_BYTES) throw new UserError(`${path}: ${size} bytes, where at most ${MOST_BYTES} are read; split the file`)
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    if (error instanceof UserError) throw error
    if (error instanceof TypeError) throw new UserError(`${path}: not UTF-8 text; convert it`)
    throw new UserError(`${path}: the questions cannot be read (${(error as NodeJS.ErrnoException).code}); check [environment] file`)
  }
}

function readLine(line: string, where: string): QuestionAndAnswer {
  let raw: unknown
  try {
    raw = JSON.parse(line)
  } catch {
    throw new UserError(`${where}: not JSON; each line has to be an object like {"question": "1+1=", "answer": "2"}`)
  }
  const decoded = decode(questionAndAnswer, raw)
  if (decoded.kind === 'ok') return decoded.value
  throw new UserError(`${where}: ${decoded.path === '' ? 'the line' : decoded.path} must be ${decoded.expected}`)
}
