import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { environmentNamed } from '#shared/environments/environments.ts'
import { afterAll, expect, test } from 'vitest'
import { ROOT } from '../child-process.ts'
import { playInTerminal } from '../environments/play.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-env-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Result {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** The command as people start it, with these lines typed. */
async function murmuration(args: readonly string[], typed = ''): Promise<Result> {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/bootstrap.mjs'), 'cli/main.ts', 'env', ...args], { cwd: ROOT })
  const result = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (result.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.err += text))
  child.stdin.end(typed)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...result }
}

test('a game is played line by line: what is shown, and what it came to', async () => {
  const { code, out, err } = await murmuration(['play', 'guess', '--option', 'largest=3', '--option', 'guesses=3', '--seed', '1'], '1\n2\n3\n')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^guess 1-3:\n/)
  expect(out).toMatch(/ ✓\nsolved: reward 1 after \d actions?, guesses \d\n$/)
})

test('who stops early is told how far it went; garbage is an action like any other', async () => {
  const written: string[] = []
  const lines = (async function* () {
    yield await Promise.resolve('what?')
  })()
  await playInTerminal(environmentNamed('guess', { largest: 3 }), { seed: 1, split: 'train' }, lines, text => written.push(text))
  expect(written.join('')).toBe('guess 1-3:\na number:\n\nguess 1-3: what? a number:\nstopped after 1 action: reward 0\n')
})

test('a policy is measured greedily and by samples, with intervals', async () => {
  const { code, out, err } = await murmuration(['eval', 'arithmetic', '--model', 'public/models/murmuration-tiny', '--tasks', '48', '--samples', '4', '--max-tokens', '4'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const lines = out.trimEnd().split('\n')
  expect(lines[0]).toBe('arithmetic: 48 held-out tasks, 95 % intervals')
  const figures = new Map(lines.slice(1).map(line => {
    const [, name, value, low, high] = /^(\S+) +([\d.]+)(?: %)? \[([\d.]+), ([\d.]+)\]$/.exec(line)!
    expect(Number(low)).toBeLessThanOrEqual(Number(value))
    expect(Number(high)).toBeGreaterThanOrEqual(Number(value))
    return [name, Number(value)]
  }))
  expect([...figures.keys()]).toEqual(['greedy', 'reward', 'avg@4', 'pass@1', 'pass@2', 'pass@4', 'maj@4'])
  expect(figures.get('pass@1')).toBe(figures.get('avg@4'))
  expect(figures.get('pass@2')).toBeGreaterThan(figures.get('pass@1')!)
  expect(figures.get('pass@4')).toBeGreaterThan(figures.get('pass@2')!)
})

test('bad input ends with one line that says what and where, and exit code 2', async () => {
  const data = join(folder, 'questions.jsonl')
  writeFileSync(data, '{"question": "1+1=", "answer": "2"}\nnot JSON\n')
  const asked = [
    [['play', 'questions', '--file', data], `${data}, line 2: not JSON; each line has to be an object like`],
    [['eval', 'guess', '--option', 'largest=many', '--model', 'x'], 'environment "guess": option largest must be number'],
    [['eval', 'reverse', '--model', 'x', '--opponent-model', 'y'], 'reverse has no opponent; only holdem takes']
  ] as const
  const results = await Promise.all(asked.map(([args]) => murmuration(args)))
  for (const [index, [, line]] of asked.entries()) {
    expect(results[index]).toMatchObject({ code: 2, out: '' })
    expect(results[index]!.err).toContain(line)
    expect(results[index]!.err.trimEnd().split('\n')).toHaveLength(1)
  }
})
