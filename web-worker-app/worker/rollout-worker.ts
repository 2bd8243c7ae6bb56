/** The module worker behind comlink: one engine, one generation loop. See `rollout-worker-api.ts` for the contract. */
import { expose } from 'comlink'
import { parseDecoderConfig } from '#shared/model/config.ts'
import { chooseEngine, type ChosenEngine } from './engine-choice.ts'
import { GenerationLoop } from './generation-loop.ts'
import type { LoadAnswer, LoadRequest, PolicyTensors, RolloutWorkerApi, WorkerEvents } from './rollout-worker-api.ts'
import { measureThroughput, type Throughput, type ThroughputRequest } from './throughput.ts'

let running: { readonly chosen: ChosenEngine; readonly loop: GenerationLoop } | undefined

function loaded(): NonNullable<typeof running> {
  if (running === undefined) throw new Error('the worker was asked to work before its engine was loaded')
  return running
}

const worker: RolloutWorkerApi = {
  async load({ model, lora, weights, preferences }: LoadRequest, events: WorkerEvents): Promise<LoadAnswer> {
    const { chosen, faults } = await chooseEngine({ config: parseDecoderConfig(model, 'config.json'), lora, weights, preferences })
    if (chosen === undefined) return { kind: 'no_engine', faults }
    const loop = new GenerationLoop(chosen.engine, chosen.rows, {
      finished: (batch, rollouts) => events.finished(batch, rollouts),
      ended: batch => events.ended(batch),
      crashed: error => events.crashed(error instanceof Error ? error.message : String(error))
    })
    running = { chosen, loop }
    return { kind: 'ready', engine: chosen.kind, rows: chosen.rows, measured: chosen.measured }
  },

  usePolicy(policy: PolicyTensors): Promise<void> {
    return loaded().loop.exclusive(engine => (policy.kind === 'weights' ? engine.setWeights(policy.tensors) : engine.setAdapter(policy.kind === 'base' ? undefined : policy.tensors)))
  },

  generate: batch => loaded().loop.submit(batch),
  hold: () => running?.loop.hold(),
  release: () => running?.loop.release(),
  abandon: () => loaded().loop.abandon(),

  async measure(request: ThroughputRequest): Promise<Throughput> {
    const { chosen, loop } = loaded()
    let measured: Throughput | undefined
    await loop.exclusive(async engine => {
      measured = await measureThroughput(engine, chosen.timer, request)
    })
    return measured!
  }
}

expose(worker)
