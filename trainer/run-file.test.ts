import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readRunFile, type RunFileOverrides } from './run-file.ts'
import { UserError } from './user-error.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-run-file-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const COMPLETE = `
name = "sums"
goal = "Learns to add."
updates = 5
[model]
path = "models/tiny"
[environment]
name = "arithmetic"
`

function read(text: string, overrides?: RunFileOverrides) {
  const path = join(folder, 'sums.toml')
  writeFileSync(path, text)
  return readRunFile(path, overrides)
}

function problem(text: string, overrides?: RunFileOverrides): string {
  try {
    read(text, overrides)
  } catch (error) {
    if (error instanceof UserError) return error.message
    throw error
  }
  return 'accepted'
}

describe('a run file', () => {
  test('needs six values; the rest has defaults, and the model lies relative to the file', () => {
    expect(read(COMPLETE)).toMatchObject({
      mode: 'async',
      stalenessBudget: 4,
      parameters: 'lora',
      model: { path: join(folder, 'models/tiny') },
      batch: { prompts: 16, group: 16, maxTokens: 16 },
      lora: { rank: 8, alpha: 32 },
      loss: { kind: 'dppo', low: 0.2, high: 0.2, klTau: 1e-3 },
      advantage: { kind: 'grpo', entropyBonus: 0 },
      optimizer: { learningRate: 1e-3, maxGradientNorm: 1 }
    })
  })

  test('gives way to the command line', () => {
    expect(read(COMPLETE, { updates: 7, seed: 3, mode: 'sequential' })).toMatchObject({ updates: 7, seed: 3, mode: 'sequential', stalenessBudget: 0 })
    expect(read(COMPLETE, { stalenessBudget: 9 }).stalenessBudget).toBe(9)
  })

  test('read again in its resolved form is the same', async () => {
    const { checkRunFile } = await import('./run-file.ts')
    const resolved = read(COMPLETE)
    const { lora: _lora, ...full } = { ...resolved, parameters: 'full' as const }
    expect(checkRunFile(JSON.parse(JSON.stringify(resolved)) as Record<string, unknown>, 'run.json')).toEqual(resolved)
    expect(checkRunFile(full, 'run.json').parameters).toBe('full')
  })
})

describe('one line says what is wrong with', () => {
  test.each([
    ['an unknown key', `${COMPLETE}[optimizer]\nlearningrate = 0.1`, 'sums.toml: unknown key optimizer.learningrate; did you mean optimizer.learningRate?'],
    ['an unknown top-level key', `stalenesBudget = 1\n${COMPLETE}`, 'sums.toml: unknown key stalenesBudget; did you mean stalenessBudget?'],
    ['an unknown option of a loss', `${COMPLETE}[loss]\nkind = "dppo"\nhigth = 1`, 'sums.toml: unknown key loss.higth; did you mean loss.high?'],
    ['a wrong type', COMPLETE.replace('updates = 5', 'updates = "5"'), 'sums.toml: updates is "5", but must be number'],
    ['a value out of range', `${COMPLETE}[batch]\ngroup = 1`, 'sums.toml: batch.group is 1, but must be >=2'],
    ['a wrong choice', COMPLETE.replace('updates', 'mode = "both"\nupdates'), 'sums.toml: mode is "both", but must be ("sequential" | "async")'],
    ['a missing value', COMPLETE.replace('goal = "Learns to add."', ''), 'sums.toml: goal is missing; it must be "goal"'],
    ['TOML that cannot be parsed', 'name = sums', 'sums.toml, line 1: '],
    ['a goal that nobody measures', `${COMPLETE}[stop]\nsuccess = 0.9`, 'sums.toml: [stop] success has no effect without evaluation.every; say every how many updates to evaluate'],
    ['a contradiction', `parameters = "full"\n${COMPLETE}[lora]\nrank = 4`, 'sums.toml: [lora] has no effect with parameters = "full"; remove one of them'],
    ['a rounded adapter', `precision = "bfloat16"\n${COMPLETE}`, 'sums.toml: precision = "bfloat16" is for parameters = "full": adapters are small, and stay float32'],
    ['a precision that there is not', `parameters = "full"\nprecision = "float16"\n${COMPLETE}`, 'sums.toml: precision is "float16", but must be ("float32" | "bfloat16")'],
    ['a negative bonus', `${COMPLETE}[advantage]\nentropyBonus = -0.1`, 'sums.toml: advantage.entropyBonus is -0.1, but must be >=0']
  ])('%s', (_, text, expected) => {
    const message = problem(text)
    expect(message).toContain(expected)
    expect(message).not.toContain('\n')
  })

  test('a file that is not there', () => {
    expect(() => readRunFile(join(folder, 'absent.toml'))).toThrow(/absent\.toml: the run file cannot be read \(ENOENT\)/)
  })
})
