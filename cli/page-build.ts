/** Builds the page, unless a build of exactly these inputs lies in `dist/` already: `dist/<hash of the inputs>`. */
import { buildOnce, hashInputs as hashOf } from './build-folder.ts'

const INPUTS = ['web-worker-app', 'shared', 'public', 'index.html', 'vite.config.ts', 'package-lock.json']

/** @returns 16 hexadecimal digits of a SHA-256 over names and contents of everything that goes into the page. */
export function hashInputs(root: string): string {
  return hashOf({ root, inputs: INPUTS })
}

/**
 * @param root folder of the repository
 * @returns folder with the built page. Safe to call from several processes at once.
 */
export function buildPage(root: string, say: (line: string) => void): Promise<string> {
  return buildOnce({
    root,
    prefix: '',
    inputs: INPUTS,
    write: async outDir => {
      say('Building the page ...')
      const { build } = await import('vite')
      await build({ root, logLevel: 'error', build: { outDir, emptyOutDir: true } })
    }
  })
}
