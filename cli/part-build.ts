/**
 * Turns the parts that run in processes of their own into JavaScript, unless that of exactly these sources lies in `dist/` already. Each module
 * stays one, at the place that it has among the sources. Compiling TypeScript while it is loaded takes more than half of a part's start,
 * in every thread anew.
 */
import { join } from 'node:path'
import { buildOnce } from './build-folder.ts'

export type Part = 'signaling-server' | 'trainer'

const INPUTS = ['shared', 'signaling-server', 'trainer', 'cli/part-build.ts', 'tsconfig.json', 'tsconfig.base.json', 'package.json', 'package-lock.json']
const ENTRIES = ['signaling-server/main', 'trainer/main', 'trainer/learner/learner-worker', 'trainer/verifier/verifier-worker', 'trainer/evaluation/evaluation-worker']

/**
 * @param root folder of the repository
 * @returns folder with the built parts, such as `trainer/main.js`. Safe to call from several processes at once.
 */
export function buildParts(root: string): Promise<string> {
  return buildOnce({
    root,
    prefix: 'parts-',
    inputs: INPUTS,
    write: async outDir => {
      const { build } = await import('vite')
      await build({
        root,
        configFile: false,
        publicDir: false,
        logLevel: 'error',
        build: {
          ssr: true,
          outDir,
          emptyOutDir: true,
          target: 'node20',
          minify: false,
          rolldownOptions: {
            input: Object.fromEntries(ENTRIES.map(entry => [entry, join(root, `${entry}.ts`)])),
            output: { preserveModules: true, preserveModulesRoot: root, entryFileNames: '[name].js' }
          }
        }
      })
    }
  })
}
