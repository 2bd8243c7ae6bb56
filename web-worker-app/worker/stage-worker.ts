/** The module worker behind comlink. See `stage-worker-api.ts` for the contract. */
import { expose } from 'comlink'
import { parseDecoderConfig } from '#shared/model/config.ts'
import { stageSlice } from '#shared/scheduling/layer-range.ts'
import { chooseEngine } from './engine-choice.ts'
import { LoadedSlice } from './loaded-slice.ts'
import { profileSteps } from './slice-speed.ts'
import type { StageWorkerApi } from './stage-worker-api.ts'

let slice: LoadedSlice | undefined

function loaded(): LoadedSlice {
  if (slice === undefined) throw new Error('the worker was asked to work before its engine was loaded')
  return slice
}

const worker: StageWorkerApi = {
  async load({ model, lora, layers, weights, preferences, known }, events) {
    const config = parseDecoderConfig(model, 'config.json')
    const { start, end } = layers ?? { start: 0, end: config.layers }
    const choice = await chooseEngine({ config, lora, slice: stageSlice(config.layers, start, end), weights, preferences, ...(known !== undefined && { known }) })
    if (choice.kind !== 'chosen') return choice
    const { chosen } = choice
    slice = new LoadedSlice(chosen, events)
    return { kind: 'ready', engine: chosen.kind, rows: chosen.rows, steps: await profileSteps(chosen.engine) }
  },

  async unload() {
    const former = slice
    slice = undefined
    await former?.end()
  },

  addVersion: (version, policy) => loaded().addVersion(version, policy),
  dropVersion: version => slice?.dropVersion(version),
  join: place => loaded().join(place),
  tune: (pipeline, batching) => slice?.tune(pipeline, batching),
  leave: pipeline => slice?.leave(pipeline),
  generate: batch => loaded().generate(batch),
  request: requests => loaded().request(requests),
  giveUp: keys => slice?.giveUp(keys),
  hold: () => slice?.hold(),
  release: () => slice?.release(),
  abandon: () => slice?.abandon(),
  measure: (version, request) => loaded().measure(version, request)
}

expose(worker)
