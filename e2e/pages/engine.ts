import { wrap } from 'comlink'
import type { EngineScenarios } from './engine-worker.ts'

const worker = new Worker(new URL('./engine-worker.ts', import.meta.url), { type: 'module' })

declare global {
  interface Window {
    scenarios: ReturnType<typeof wrap<EngineScenarios>>
  }
}

window.scenarios = wrap<EngineScenarios>(worker)
