/** The module worker behind comlink that hosts a slice. See `stage-worker-api.ts` for the contract. */
import { expose } from 'comlink'
import { parseDecoderConfig } from '#shared/model/config.ts'
import { StageFault } from '#shared/pipeline/stage.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import { chooseEngine } from './engine-choice.ts'
import type { PolicyTensors } from './rollout-worker-api.ts'
import { StageLoop } from './stage-loop.ts'
import type { StageWorkerApi } from './stage-worker-api.ts'

const versions = new Map<PolicyVersion, PolicyTensors>()
let loop: StageLoop | undefined
let inUse: PolicyTensors | undefined

function loaded(): StageLoop {
  if (loop === undefined) throw new Error('the worker was asked to work before its engine was loaded')
  return loop
}

const worker: StageWorkerApi = {
  async load({ model, lora, layers, weights, preferences }, measured) {
    const config = parseDecoderConfig(model, 'config.json')
    const slice = { ...layers, embed: layers.start === 0, head: layers.end === config.layers }
    const { chosen, faults } = await chooseEngine({ config, lora, slice, weights, preferences })
    if (chosen === undefined) return { kind: 'no_engine', faults }
    const { engine, kind, rows } = chosen
    loop = new StageLoop({
      engine,
      maxRows: rows,
      measured,
      async useVersion(version) {
        const policy = versions.get(version)
        if (policy === undefined) throw new StageFault(`version ${version} is not here`)
        if (policy === inUse) return
        inUse = policy
        await (policy.kind === 'weights' ? engine.setWeights(policy.tensors) : engine.setAdapter(policy.kind === 'base' ? undefined : policy.tensors))
      }
    })
    return { kind: 'ready', engine: kind, rows, measured: chosen.measured }
  },

  addVersion: (version, policy) => void versions.set(version, policy),
  dropVersion: version => void versions.delete(version),
  join: (place, events) => loaded().join(place, events),
  leave: pipeline => loop?.leave(pipeline),
  request: (pipeline, requests) => loaded().drive(pipeline, { kind: 'requested', requests }),
  giveUp: (pipeline, keys) => loop?.drive(pipeline, { kind: 'given_up', keys })
}

expose(worker)
