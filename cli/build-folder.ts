/** Builds in `dist/`, each in a folder named after the hash of its inputs: what lies there already is not built again. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'

/** Older builds are removed; these stay, because parts that run may still read them. */
const BUILDS_KEPT = 4

export interface Build {
  /** Folder of the repository. */
  readonly root: string
  /** What the folder's name begins with. */
  readonly prefix: string
  /** Files and folders that go into it, relative to the repository; tests in them are left out. */
  readonly inputs: readonly string[]
  /** Writes everything to this folder. */
  readonly write: (folder: string) => Promise<unknown>
}

function listFiles(root: string, path: string): string[] {
  const absolute = join(root, path)
  if (!existsSync(absolute)) return []
  if (!statSync(absolute).isDirectory()) return [path]
  return readdirSync(absolute)
    .toSorted()
    .flatMap(name => listFiles(root, join(path, name)))
}

/** @returns 16 hexadecimal digits of a SHA-256 over names and contents of the inputs */
export function hashInputs({ root, inputs }: Pick<Build, 'root' | 'inputs'>): string {
  const hash = createHash('sha256')
  for (const file of inputs.flatMap(path => listFiles(root, path))) {
    if (/\.test\.tsx?$/.test(file)) continue
    const content = readFileSync(join(root, file))
    hash.update(`${file.split(sep).join('/')}\0${content.byteLength}\0`).update(content)
  }
  return hash.digest('hex').slice(0, 16)
}

function removeOldBuilds(dist: string, prefix: string): void {
  const builds = readdirSync(dist)
    .filter(name => name.startsWith(prefix) && /^[0-9a-f]{16}$/.test(name.slice(prefix.length)))
    .map(name => ({ path: join(dist, name), time: statSync(join(dist, name)).mtimeMs }))
    .toSorted((a, b) => b.time - a.time)
  for (const build of builds.slice(BUILDS_KEPT)) rmSync(build.path, { recursive: true, force: true })
}

/** @returns folder with the build. Safe to call from several processes at once: a build appears under its name only when it is whole. */
export async function buildOnce(build: Build): Promise<string> {
  const { root, prefix, write } = build
  const dist = join(root, 'dist')
  const built = join(dist, prefix + hashInputs(build))
  if (existsSync(built)) return built
  const partial = join(dist, `.building-${prefix}${process.pid}`)
  // Vite believes NODE_ENV, which a development server in this process may have set.
  const { NODE_ENV } = process.env
  process.env['NODE_ENV'] = 'production'
  await write(partial)
  if (NODE_ENV === undefined) delete process.env['NODE_ENV']
  else process.env['NODE_ENV'] = NODE_ENV
  try {
    renameSync(partial, built)
  } catch (error) {
    // Another process finished the same build in the meantime.
    if (!existsSync(built)) throw error
    rmSync(partial, { recursive: true, force: true })
  }
  removeOldBuilds(dist, prefix)
  return built
}
