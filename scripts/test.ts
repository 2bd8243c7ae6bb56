/**
 * `npm test`: lint, direction of imports, types, unit tests, the page's build and the swarm tests, in this order. Stops at the first stage that fails.
 * `npm run lint`, `npm run types` and so on run one stage each: the stage's name is the argument; what follows goes to its last command.
 * A stage's commands run at once: each of them uses one core.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The file behind a package's command, so that no shell and no PATH is involved. */
function command(packageName: string, binary = packageName): string {
  const folder = join(root, 'node_modules', packageName)
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { bin: string | Record<string, string> }
  return join(folder, typeof bin === 'string' ? bin : bin[binary]!)
}

const ROOMS = ['shared', 'web-worker-app', 'signaling-server', 'trainer', 'cli', 'e2e', 'bench', 'lab', 'scripts']

const STAGES: Readonly<Record<string, () => string[][]>> = {
  lint: () => [
    [command('oxlint'), '--max-warnings=0'],
    [command('dependency-cruiser', 'depcruise'), '--config', '.dependency-cruiser.cjs', ...ROOMS]
  ],
  types: () => [
    [command('typescript', 'tsc'), '--noEmit', '-p', 'tsconfig.json'],
    [command('typescript', 'tsc'), '--noEmit', '-p', 'shared/tsconfig.json']
  ],
  unit: () => [[command('vitest'), 'run']],
  build: () => [['--import', 'tsx', 'cli/main.ts', 'build']],
  swarm: () => [[command('@playwright/test', 'playwright'), 'test']]
}

/** Ctrl-C reaches the child from the terminal; this process stays to report it. */
process.on('SIGINT', () => {})

function run(args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' })
    const passOn = () => child.kill('SIGTERM')
    process.once('SIGTERM', passOn)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      process.off('SIGTERM', passOn)
      resolve(signal === null ? (code ?? 1) : 1)
    })
  })
}

async function runStage(name: string, extra: string[]): Promise<number> {
  const commands = STAGES[name]!()
  const codes = await Promise.all(commands.map((args, index) => run(index === commands.length - 1 ? [...args, ...extra] : args)))
  return codes.find(code => code !== 0) ?? 0
}

async function main(): Promise<number> {
  const [only, ...extra] = process.argv.slice(2)
  if (only !== undefined && !(only in STAGES)) {
    console.error(`No stage "${only}". Stages: ${Object.keys(STAGES).join(', ')}.`)
    return 2
  }
  if (only !== undefined) return runStage(only, extra)
  const took: string[] = []
  for (const name of Object.keys(STAGES)) {
    const start = performance.now()
    console.log(`\n== ${name}`)
    const code = await runStage(name, [])
    took.push(`${name} ${((performance.now() - start) / 1000).toFixed(1)} s`)
    if (code !== 0) {
      console.error(`\nFAILED in ${name} (${took.join(', ')})`)
      return code
    }
  }
  console.log(`\nPassed: ${took.join(', ')}`)
  return 0
}

process.exitCode = await main()
