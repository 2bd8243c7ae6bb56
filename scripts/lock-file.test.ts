/** `npm ci` refuses a lock file that lacks a package, were it one for another platform; npm drops such packages when a registry lacks them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const root = join(import.meta.dirname, '..')
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, LockedPackage> }

test('the lock file names the optional packages of every platform', () => {
  const names = new Set(Object.keys(packages).map(path => path.replace(/^.*node_modules\//, '')))
  const missing = Object.values(packages).flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies).filter(name => !names.has(name)))
  expect(missing).toEqual([])
  expect(names.size).toBeGreaterThan(100)
})

test('the lock file names no registry: whoever installs chooses it', () => {
  expect(Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([])
})
