/** Proves that the direction rule looks at every module, and that each of its rules can fail. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const ROOMS = ['shared', 'web-worker-app', 'signaling-server', 'trainer', 'cli', 'e2e', 'bench', 'lab', 'scripts']

interface Cruise {
  readonly modules: { readonly source: string }[]
  readonly summary: { readonly totalDependenciesCruised: number; readonly violations: { readonly rule: { readonly name: string }; readonly from: string; readonly to: string }[] }
}

/** dependency-cruiser's own command, with the repository's configuration, in `folder`. */
function cruise(folder: string): Cruise {
  const command = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const args = [command, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...ROOMS]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 })) as Cruise
}

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A tree with the repository's rules and an innocent module in every room, plus `files`. */
function createTree(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'murmuration-direction-'))
  folders.push(folder)
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'tsconfig.base.json', 'package.json']) cpSync(join(root, file), join(folder, file))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  const innocent = Object.fromEntries(ROOMS.map(room => [`${room}/innocent.ts`, room === 'shared' ? 'export const one = 1\n' : "export { one } from '#shared/innocent.ts'\n"]))
  for (const [path, text] of Object.entries({ ...innocent, ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

const ONE = 'export const two = one + one\n'
const importing = (path: string): string => `import { one } from '${path}'\n${ONE}`
const NODE_MODULE = "import { readFileSync } from 'node:fs'\nexport const read = readFileSync\n"

/** Every way to break a rule, and the rule. */
const GUILTY: readonly { readonly file: string; readonly text: string; readonly rule: string }[] = [
  ...ROOMS.filter(room => room !== 'shared').map(room => ({ file: `shared/imports-${room}.ts`, text: importing(`../${room}/innocent.ts`), rule: 'shared-imports-nothing-of-ours' })),
  { file: 'shared/imports-node.ts', text: NODE_MODULE, rule: 'shared-knows-no-platform' },
  ...['web-worker-app', 'signaling-server', 'trainer'].flatMap(from =>
    ROOMS.filter(to => to !== 'shared' && to !== from).map(to => ({ file: `${from}/imports-${to}.ts`, text: importing(`../${to}/innocent.ts`), rule: 'apps-never-import-each-other' }))
  ),
  { file: 'trainer/imports-by-alias.ts', text: importing('#signaling-server/innocent.ts'), rule: 'apps-never-import-each-other' },
  { file: 'trainer/imports-types.ts', text: "import type { one } from '#signaling-server/innocent.ts'\nexport type One = typeof one\n", rule: 'apps-never-import-each-other' },
  { file: 'cli/cycle-a.ts', text: "import { b } from './cycle-b.ts'\nexport const a = (): unknown => b\n", rule: 'no-cycles' },
  { file: 'trainer/imports-nothing.ts', text: "export { nothing } from './missing.ts'\n", rule: 'resolvable' }
]

/** Modules that use what a rule leaves open, and the other half of the cycle, which is reported once. */
const ALLOWED: Readonly<Record<string, string>> = {
  'cli/cycle-b.ts': "import { a } from './cycle-a.ts'\nexport const b = (): unknown => a\n",
  'cli/imports-apps.ts': "import { one as a } from '#trainer/innocent.ts'\nimport { one as b } from '#signaling-server/innocent.ts'\nexport const two = a + b\n",
  'shared/innocent.test.ts': NODE_MODULE,
  'trainer/imports-shared-and-node.ts': `${importing('#shared/innocent.ts')}${NODE_MODULE}`
}

describe('the direction rule', () => {
  test('sees every module of this repository, and what it imports', () => {
    const files = ROOMS.flatMap(room =>
      readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
        .filter(name => /\.tsx?$/.test(name))
        .map(name => `${room}/${name.replaceAll('\\', '/')}`)
    )
    const { modules, summary } = cruise(root)
    const sources = new Set(modules.map(({ source }) => source))
    expect(files.length).toBeGreaterThan(50)
    expect(files.filter(file => !sources.has(file))).toEqual([])
    expect(summary.totalDependenciesCruised).toBeGreaterThan(files.length)
  })

  test('accepts what it leaves open and names each breach by its rule', () => {
    const { summary } = cruise(createTree({ ...ALLOWED, ...Object.fromEntries(GUILTY.map(({ file, text }) => [file, text])) }))
    const found = summary.violations.map(({ rule, from }) => `${rule.name}: ${from}`)
    expect([...new Set(found)].toSorted()).toEqual(GUILTY.map(({ file, rule }) => `${rule}: ${file}`).toSorted())
  })
})
