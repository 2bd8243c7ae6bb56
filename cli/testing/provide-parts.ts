import type { TestProject } from 'vitest/node'
import { ROOT } from '../child-process.ts'
import { buildParts } from '../part-build.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of the built parts, for tests that run one in a process of its own. */
    readonly parts: string
  }
}

export default async function provideParts(project: TestProject): Promise<void> {
  const provide = async (): Promise<void> => project.provide('parts', await buildParts(ROOT))
  // Vitest that watches sets up once, and runs tests again after every change.
  project.onTestsRerun(provide)
  await provide()
}
