import type { TestProject } from 'vitest/node'
import { ROOT } from '../child-process.ts'
import { buildParts } from '../part-build.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the built parts, for tests that run one in a process of its own. */
    readonly parts: string
  }
}

export default async function provideParts({ provide }: TestProject): Promise<void> {
  provide('parts', await buildParts(ROOT))
}
