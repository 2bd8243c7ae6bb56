/** Builds in `dist/`, each in a folder named after the hash of its inputs: what lies there already is not built again. */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join, sep } from 'node:path'

/** Those that were used longest ago are removed; these stay, because parts that run may still read them. */
const BUILDS_KEPT = 4
/** A build that is not whole after so long belongs to a process that was ended in the middle. */
const ABANDONED_AFTER_MS = 3_600_000
const UNFINISHED = '.building-'

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
  const found = readdirSync(dist).map(name => ({
    name,
    path: join(dist, name),
    // Another process may have removed it by now.
    used: statSync(join(dist, name), { throwIfNoEntry: false })?.mtimeMs ?? 0
  }))
  const old = found
    .filter(({ name }) => name.startsWith(prefix) && /^[0-9a-f]{16}$/.test(name.slice(prefix.length)))
    .toSorted((a, b) => b.used - a.used)
    .slice(BUILDS_KEPT)
  const abandoned = found.filter(({ name, used }) => name.startsWith(UNFINISHED) && used < Date.now() - ABANDONED_AFTER_MS)
  for (const { path } of [...old, ...abandoned]) rmSync(path, { recursive: true, force: true })
}

function markUsed(built: string): void {
  try {
    utimesSync(built, new Date(), new Date())
  } catch {
    // Whoever may only read what somebody else installed removes nothing there, either.
  }
}

/** Vite believes NODE_ENV, which a development server in this process may have set. */
async function inProduction(write: () => Promise<unknown>): Promise<void> {
  const { NODE_ENV } = process.env
  process.env['NODE_ENV'] = 'production'
  try {
    await write()
  } finally {
    if (NODE_ENV === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = NODE_ENV
  }
}

async function buildUnlessThere(build: Build): Promise<string> {
  const { root, prefix, write } = build
  const dist = join(root, 'dist')
  const built = join(dist, prefix + hashInputs(build))
  if (existsSync(built)) {
    markUsed(built)
    return built
  }
  const unfinished = join(dist, UNFINISHED + prefix + randomUUID())
  try {
    await inProduction(() => write(unfinished))
    renameSync(unfinished, built)
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    // Another process may have finished the same build in the meantime.
    if (!existsSync(built)) throw error
  }
  removeOldBuilds(dist, prefix)
  return built
}

/** One at a time in this process: NODE_ENV belongs to all of it. */
let before: Promise<unknown> = Promise.resolve()

/** @returns folder with the build. Safe to call several times at once, in several processes, too: a build appears under its name only when it is whole. */
export function buildOnce(build: Build): Promise<string> {
  const next = before.then(() => buildUnlessThere(build))
  before = next.catch(() => {})
  return next
}
