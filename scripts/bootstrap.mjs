/**
 * Entry of every npm script: plain JavaScript without dependencies, because it runs before there are any.
 * Installs the packages when they are missing or older than package-lock.json, then runs a TypeScript file in this process.
 *
 *     node scripts/bootstrap.mjs FILE.ts [argument...]
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OLDEST_NODE = [20, 19]
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

function fail(line) {
  console.error(line)
  process.exit(1)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_NODE
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    fail(`Murmuration needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}. Install a newer one from https://nodejs.org and try again.`)
  }
}

function readPackages(lockFile) {
  return JSON.parse(readFileSync(lockFile, 'utf8')).packages
}

/**
 * Compares package-lock.json with the copy that npm leaves in node_modules when an installation is complete.
 * Optional packages are not compared: they are other platforms' binaries.
 */
function packagesAreInstalled() {
  const installedLock = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedLock)) return false
  const installed = readPackages(installedLock)
  return Object.entries(readPackages(join(root, 'package-lock.json'))).every(
    ([path, wanted]) => path === '' || wanted.optional || wanted.devOptional || (installed[path]?.version === wanted.version && existsSync(join(root, path)))
  )
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Lets one process at a time install into this directory; a lock whose owner died is taken over. */
function withInstallLock(action) {
  const lock = join(tmpdir(), `murmuration-install-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`)
  for (;;) {
    try {
      mkdirSync(lock)
      writeFileSync(join(lock, 'pid'), String(process.pid))
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      const pidFile = join(lock, 'pid')
      const owner = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
      const abandoned = owner > 0 ? !isAlive(owner) : existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 5000
      if (abandoned) rmSync(lock, { recursive: true, force: true })
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
    }
  }
  try {
    action()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

function installPackages() {
  if (packagesAreInstalled()) return
  console.error('Installing the npm packages (about a minute, once) ...')
  const ci = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  // npm tells its scripts where it lives; without it (node called directly) the shell finds `npm`.
  const npm = process.env.npm_execpath?.endsWith('.js') ? process.env.npm_execpath : undefined
  const options = { cwd: root, stdio: ['ignore', 2, 2] }
  const done = npm === undefined ? spawnSync('npm', ci, { ...options, shell: process.platform === 'win32' }) : spawnSync(process.execPath, [npm, ...ci], options)
  if (done.error !== undefined) fail(`npm could not be started (${done.error.message}). It comes with Node: check that \`npm --version\` works.`)
  if (done.status !== 0) fail(`npm ci failed in ${root} (see above). Check the network and the package registry (\`npm ping\`), then try again.`)
}

checkNode()
const [file, ...commandArguments] = process.argv.slice(2)
if (file === undefined) fail('usage: node scripts/bootstrap.mjs FILE.ts [argument...]')
if (!packagesAreInstalled()) withInstallLock(installPackages)
const { register } = await import('tsx/esm/api')
register()
const entry = join(root, file)
process.argv = [process.execPath, entry, ...commandArguments]
await import(pathToFileURL(entry).href)
