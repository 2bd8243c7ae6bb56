import { UserError } from '#trainer/user-error.ts'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Child, describeExit, ROOT } from './child-process.ts'
import { PartFailure } from './part-failure.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-child-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function startChild(name: string, program: string): Child {
  const file = join(folder, `${name}.mts`)
  writeFileSync(file, program)
  return new Child({ name, file: relative(ROOT, file), args: [], logFile: join(folder, `${name}.log`) })
}

const WAITS_FOR_STOP = `
const keepAlive = setInterval(() => {}, 1000)
process.once('SIGTERM', () => { clearInterval(keepAlive); console.log(JSON.stringify({ event: 'stopped' })) })
console.log(JSON.stringify({ event: 'ready', port: 1 }))
`

test('a child is heard, stops when it is asked to, and leaves a log', async () => {
  const child = startChild('polite', WAITS_FOR_STOP)
  expect(await child.waitForEvent(({ event }) => event === 'ready')).toEqual({ event: 'ready', port: 1 })
  expect(await child.stop(60_000)).toEqual({ code: 0, signal: null })
  expect(await child.waitForEvent(({ event }) => event === 'stopped')).toEqual({ event: 'stopped' })
  expect(readFileSync(join(folder, 'polite.log'), 'utf8')).toContain('"stopped"')
})

test('a child that does not stop is killed', async () => {
  const child = startChild('stubborn', WAITS_FOR_STOP.replace('clearInterval(keepAlive);', ''))
  await child.waitForEvent(({ event }) => event === 'ready')
  expect(await child.stop(100)).toEqual({ code: null, signal: 'SIGKILL' })
})

test('waiting for an event of a child that ends is an error with its last line', async () => {
  const crashes = startChild('crashes', "console.error('first'); console.error('no such thing'); process.exitCode = 1")
  await expect(crashes.waitForEvent(() => true)).rejects.toThrow(new PartFailure(`The crashes ended with exit code 1: no such thing (its log: ${join(folder, 'crashes.log')})`))
  const refuses = startChild('refuses', "console.error('model.safetensors: truncated'); process.exitCode = 2")
  expect(describeExit(refuses, await refuses.exited)).toEqual(new UserError('model.safetensors: truncated'))
})

test('of an error nobody caught, the message is the explanation', async () => {
  const throws = startChild('throws', "throw new RangeError('one too many')")
  expect(describeExit(throws, await throws.exited)).toEqual(new PartFailure(`The throws ended with exit code 1: RangeError: one too many (its log: ${join(folder, 'throws.log')})`))
})

test('a child whose parent is killed stops by itself', async () => {
  const childFile = join(folder, 'orphan.mts')
  writeFileSync(childFile, WAITS_FOR_STOP)
  const childLog = join(folder, 'orphan.log')
  const childModule = JSON.stringify(new URL('child-process.ts', import.meta.url).href)
  const parent = startChild(
    'parent',
    `import { Child } from ${childModule}
    const child = new Child({ name: 'orphan', file: ${JSON.stringify(relative(ROOT, childFile))}, args: [], logFile: ${JSON.stringify(childLog)} })
    await child.waitForEvent(({ event }) => event === 'ready')
    console.log(JSON.stringify({ event: 'parent_ready', pid: child.pid }))
    await child.exited`
  )
  const { pid } = await parent.waitForEvent(({ event }) => event === 'parent_ready')
  parent.kill()
  await parent.exited
  await expect.poll(() => isAlive(Number(pid))).toBe(false)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
