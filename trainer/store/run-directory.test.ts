import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { checkRunFile } from '../run-file.ts'
import { UserError } from '../user-error.ts'
import { createRunDirectory, openRunDirectory } from './run-directory.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-run-directory-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const runFile = checkRunFile({ name: 'sums', goal: 'Learns to add.', updates: 5, model: { path: '/models/tiny' }, environment: { name: 'arithmetic' } }, 'sums.toml')

describe('a run directory', () => {
  test('opens with the keys, secret and run file it was created with; secrets are for the owner alone', () => {
    const path = join(folder, 'Sums 2026_1')
    const created = createRunDirectory(path, runFile)
    expect(created.run).toBe('sums-2026-1')
    expect(openRunDirectory(path)).toEqual(created)
    expect(statSync(join(path, 'secrets.json')).mode & 0o777).toBe(0o600)
  })

  test('keeps a copy of the data that its task is made of: what changes outside changes no run', () => {
    const file = join(folder, 'data.jsonl')
    const line = '{"question": "1+1=", "answer": "2"}\n'
    writeFileSync(file, line)
    const path = join(folder, 'questions')
    const created = createRunDirectory(path, { ...runFile, environment: { name: 'questions', file, options: {} } })
    writeFileSync(file, 'other')
    const opened = openRunDirectory(path)
    expect(opened).toEqual(created)
    expect(readFileSync(opened.runFile.environment.file!, 'utf8')).toBe(line)
    expect(opened.runFile.environment.file).toBe(join(path, 'questions.jsonl'))
    const refused = join(folder, 'no questions')
    expect(() => createRunDirectory(refused, { ...runFile, environment: { name: 'questions', file, options: {} } })).toThrow(/data\.jsonl, line 1: not JSON/)
    expect(existsSync(refused)).toBe(false)
  })

  test('opens again when the run trains every parameter, too', () => {
    const path = join(folder, 'full')
    const created = createRunDirectory(path, checkRunFile({ ...runFile, parameters: 'full', lora: undefined }, 'sums.toml'))
    expect(openRunDirectory(path)).toEqual(created)
  })

  test('takes a new number of updates from the command line when it is resumed', () => {
    const path = join(folder, 'longer')
    createRunDirectory(path, runFile)
    expect(openRunDirectory(path, { updates: 9 }).runFile.updates).toBe(9)
    expect(openRunDirectory(path).runFile.updates).toBe(9)
  })

  test('gives equal seeds equal run secrets, and every run its own signing key', () => {
    const [first, second] = ['one', 'two'].map(name => createRunDirectory(join(folder, name), runFile))
    const other = createRunDirectory(join(folder, 'three'), { ...runFile, seed: 1 })
    expect(first!.runSecret).toEqual(second!.runSecret)
    expect(first!.signingKey.publicKey).not.toBe(second!.signingKey.publicKey)
    expect(other.runSecret).not.toEqual(first!.runSecret)
  })

  test('is not overwritten by another run, and says what is wrong with a folder that is none', () => {
    const path = join(folder, 'taken')
    createRunDirectory(path, runFile)
    expect(() => createRunDirectory(path, runFile)).toThrow(UserError)
    expect(() => openRunDirectory(join(folder, 'absent'))).toThrow(/run\.json: cannot be read \(ENOENT\); --resume needs the folder of a run/)
    writeFileSync(join(path, 'run.json'), '{')
    expect(() => openRunDirectory(path)).toThrow(/run\.json: is not JSON/)
  })
})
