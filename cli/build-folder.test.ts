import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildOnce } from './build-folder.ts'

let root: string
let written: string[]
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'murmuration-build-'))
  written = []
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** A build of one file, as it is when the build begins. */
function build(source: string, { prefix = 'parts-', fails = false } = {}): Promise<string> {
  writeFileSync(join(root, 'source'), source)
  return buildOnce({
    root,
    prefix,
    inputs: ['source'],
    write: async folder => {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'environment'), String(process.env['NODE_ENV']))
      await Promise.resolve()
      if (fails) throw new Error('a missing bracket')
      written.push(source)
    }
  })
}

const inDist = (): string[] => readdirSync(join(root, 'dist')).toSorted()
const usedAt = (folder: string, second: number): void => utimesSync(folder, second, second)

test('callers at once share a build, each in the environment of production, which nothing of is left', async () => {
  const before = process.env['NODE_ENV']
  const [first, second, page] = await Promise.all([build('one'), build('one'), build('one', { prefix: '' })])
  expect(second).toBe(first)
  expect(written).toEqual(['one', 'one'])
  for (const folder of [first, page]) expect(readFileSync(join(folder, 'environment'), 'utf8')).toBe('production')
  expect(process.env['NODE_ENV']).toBe(before)
  expect(inDist()).toEqual([basename(first), basename(page)].toSorted())
})

test('a build that fails leaves nothing behind and does not keep the next from being made', async () => {
  const before = process.env['NODE_ENV']
  await expect(build('one', { fails: true })).rejects.toThrow('a missing bracket')
  expect(process.env['NODE_ENV']).toBe(before)
  expect(inDist()).toEqual([])
  expect(basename(await build('one'))).toMatch(/^parts-[0-9a-f]{16}$/)
})

test('of many states those stay that were used last, and what a process left unfinished long ago goes', async () => {
  const page = await build('one', { prefix: '' })
  const builds = []
  for (const source of ['1', '2', '3', '4']) builds.push(await build(source))
  for (const [index, folder] of [page, ...builds].entries()) usedAt(folder, 1000 + index)
  for (const [name, second] of [['.building-parts-killed', 1000], ['.building-under-way', Date.now() / 1000]] as const) {
    mkdirSync(join(root, 'dist', name))
    usedAt(join(root, 'dist', name), second)
  }
  expect(await build('1')).toBe(builds[0])
  const fifth = await build('5')
  expect(inDist()).toEqual([page, builds[0]!, builds[2]!, builds[3]!, fifth].map(folder => basename(folder)).concat('.building-under-way').toSorted())
})
