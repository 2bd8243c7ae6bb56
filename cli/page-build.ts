/** Builds the page, unless a build of exactly these inputs lies in `dist/` already: `dist/<hash of the inputs>`. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'

const INPUT_FOLDERS = ['web-worker-app', 'shared', 'public']
const INPUT_FILES = ['index.html', 'vite.config.ts', 'package-lock.json']
/** Older builds are removed; these stay, because servers that run may still serve them. */
const BUILDS_KEPT = 4

function listFiles(root: string, path: string): string[] {
  const absolute = join(root, path)
  if (!existsSync(absolute)) return []
  if (!statSync(absolute).isDirectory()) return [path]
  return readdirSync(absolute)
    .toSorted()
    .flatMap(name => listFiles(root, join(path, name)))
}

/** @returns 16 hexadecimal digits of a SHA-256 over names and contents of everything that goes into the page. */
export function hashInputs(root: string): string {
  const hash = createHash('sha256')
  for (const file of [...INPUT_FOLDERS, ...INPUT_FILES].flatMap(path => listFiles(root, path))) {
    if (/\.test\.tsx?$/.test(file)) continue
    const content = readFileSync(join(root, file))
    hash.update(`${file.split(sep).join('/')}\0${content.byteLength}\0`).update(content)
  }
  return hash.digest('hex').slice(0, 16)
}

function removeOldBuilds(dist: string): void {
  const builds = readdirSync(dist)
    .filter(name => /^[0-9a-f]{16}$/.test(name))
    .map(name => ({ path: join(dist, name), time: statSync(join(dist, name)).mtimeMs }))
    .toSorted((a, b) => b.time - a.time)
  for (const build of builds.slice(BUILDS_KEPT)) rmSync(build.path, { recursive: true, force: true })
}

/**
 * @param root folder of the repository
 * @returns folder with the built page. Safe to call from several processes at once: a build appears under its name only when it is whole.
 */
export async function buildPage(root: string, say: (line: string) => void): Promise<string> {
  const dist = join(root, 'dist')
  const built = join(dist, hashInputs(root))
  if (existsSync(built)) return built
  say('Building the page ...')
  const { build } = await import('vite')
  const partial = join(dist, `.building-${process.pid}`)
  // Vite believes NODE_ENV, which a development server in this process may have set.
  const { NODE_ENV } = process.env
  process.env['NODE_ENV'] = 'production'
  await build({ root, logLevel: 'error', build: { outDir: partial, emptyOutDir: true } })
  if (NODE_ENV === undefined) delete process.env['NODE_ENV']
  else process.env['NODE_ENV'] = NODE_ENV
  try {
    renameSync(partial, built)
  } catch (error) {
    // Another process finished the same build in the meantime.
    if (!existsSync(built)) throw error
    rmSync(partial, { recursive: true, force: true })
  }
  removeOldBuilds(dist)
  return built
}
