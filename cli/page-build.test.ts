import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildPage, hashInputs } from './page-build.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'murmuration-page-'))
  mkdirSync(join(root, 'web-worker-app'))
  writeFileSync(join(root, 'index.html'), '<!doctype html><title>t</title><script type="module" src="/web-worker-app/main.ts"></script>')
  writeFileSync(join(root, 'web-worker-app/main.ts'), 'document.title = "one"\n')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test('the hash changes with contents and names of inputs, not with tests', () => {
  const before = hashInputs(root)
  writeFileSync(join(root, 'web-worker-app/main.test.ts'), 'anything')
  expect(hashInputs(root)).toBe(before)
  writeFileSync(join(root, 'web-worker-app/other.ts'), '')
  const withOther = hashInputs(root)
  expect(withOther).not.toBe(before)
  writeFileSync(join(root, 'web-worker-app/main.ts'), 'document.title = "two"\n')
  expect(hashInputs(root)).not.toBe(withOther)
})

test('a page is built once per state of its inputs, also by two callers at once', async () => {
  const said: string[] = []
  const say = (line: string): void => void said.push(line)
  const [first, second] = await Promise.all([buildPage(root, say), buildPage(root, say)])
  expect(second).toBe(first)
  said.length = 0
  expect(await buildPage(root, say)).toBe(first)
  expect(said).toEqual([])
  writeFileSync(join(root, 'web-worker-app/main.ts'), 'document.title = "two"\n')
  expect(await buildPage(root, say)).not.toBe(first)
  expect(said).toHaveLength(1)
})
