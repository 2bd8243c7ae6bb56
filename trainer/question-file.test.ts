import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readQuestions } from './question-file.ts'
import { UserError } from './user-error.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-questions-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'q.jsonl')

function read(content: string | Uint8Array): unknown {
  writeFileSync(path, content)
  try {
    return readQuestions(path)
  } catch (error) {
    if (error instanceof UserError) return error.message.replace(path, 'q.jsonl')
    throw error
  }
}

const GOOD = '{"question": "1+1=", "answer": "two\\n#### 2"}'

describe('a file of questions', () => {
  test('has one a line; blank lines and other keys do not matter', () => {
    expect(read(`${GOOD}\n\n{"question": "2", "answer": "3", "id": 7}\r\n`)).toEqual([
      { question: '1+1=', answer: 'two\n#### 2' },
      { question: '2', answer: '3' }
    ])
  })

  test.each([
    ['a line that is not JSON', `${GOOD}\n\n{"question": `, 'q.jsonl, line 3: not JSON; each line has to be an object like {"question": "1+1=", "answer": "2"}'],
    ['a line that is something else', `${GOOD}\n7`, 'q.jsonl, line 2: the line must be Object'],
    ['a missing answer', '{"question": "1"}', 'q.jsonl, line 1: answer must be "answer"'],
    ['a number as answer', '{"question": "1", "answer": 2}', 'q.jsonl, line 1: answer must be string'],
    ['an empty question', '{"question": "", "answer": "2"}', 'q.jsonl, line 1: question must be >=1'],
    ['a question beyond all measure', JSON.stringify({ question: 'x'.repeat(20_001), answer: '2' }), 'q.jsonl, line 1: question must be <=20000'],
    ['nothing', '\n', 'q.jsonl: no questions; each line has to be an object like {"question": "1+1=", "answer": "2"}'],
    ['bytes that are no text', Uint8Array.of(0xff, 0xfe, 0x00), 'q.jsonl: not UTF-8 text; convert it']
  ])('with %s is refused in one line', (_, content, line) => {
    expect(read(content)).toBe(line)
  })

  test('that is not there is refused by name', () => {
    expect(() => readQuestions(join(folder, 'none.jsonl'))).toThrow(/none\.jsonl: the questions cannot be read \(ENOENT\)/)
  })
})
