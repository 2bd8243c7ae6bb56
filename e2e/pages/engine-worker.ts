import { expose } from 'comlink'
import { runSelfTest, type SelfTestResult } from '#shared/engine/golden-self-test.ts'
import { wholeModel } from '#shared/model/tensor-names.ts'
import { scenarioError, SCENARIO_MODELS, SLICE_SCENARIOS, type MakeSliceEngine } from '#shared/testing/slice-scenarios.ts'
import { createWasmEngine } from '#web-worker-app/engine/wasm-engine.ts'
import { createWebGpuEngine, openGpuDevice } from '#web-worker-app/engine/webgpu-engine.ts'

const makers = {
  wasm: async (): Promise<MakeSliceEngine> => (config, weights, options) => createWasmEngine(1, { config, weights, ...options }),
  webgpu: async (): Promise<MakeSliceEngine> => {
    const device = await openGpuDevice({ allowSoftware: true })
    if (device === undefined) throw new Error('this browser has no WebGPU adapter')
    return (config, weights, options) => createWebGpuEngine(device, { config, weights, ...options })
  }
}

const scenarios = {
  /** The greatest logit error of each of the named scenarios on one model. */
  async errors(kind: 'wasm' | 'webgpu', model: number, names: readonly string[]): Promise<Record<string, number>> {
    const make = await makers[kind]()
    const errors: Record<string, number> = {}
    for (const scenario of SLICE_SCENARIOS) {
      if (!names.includes(scenario.name)) continue
      errors[scenario.name] = await scenarioError(scenario, SCENARIO_MODELS[model]!.config, make)
    }
    return errors
  },
  async selfTest(kind: 'wasm' | 'webgpu'): Promise<SelfTestResult> {
    const make = await makers[kind]()
    return runSelfTest((config, weights, lora) => make(config, weights, { lora, slice: wholeModel(config) }))
  },
  /** True on a machine whose only GPU is a software one. */
  async refusesSoftwareGpu(): Promise<boolean> {
    return (await openGpuDevice({ allowSoftware: false })) === undefined
  }
}
export type EngineScenarios = typeof scenarios

expose(scenarios)
