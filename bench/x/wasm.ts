import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRequire } from 'node:module'
import * as web from 'onnxruntime-web/wasm'
import * as node from 'onnxruntime-node'
import { cpuSessionOptions } from '#shared/engine/ort-runtime.ts'
import { createOrtSliceEngine } from '#shared/engine/ort-slice-engine.ts'
import { readModel } from '#trainer/model-files.ts'
import { wholeModel } from '#shared/model/tensor-names.ts'
const require = createRequire(import.meta.url)
const model = await readModel('public/models/murmuration-tasks') as any
const config = model.config
web.env.wasm.numThreads = 1
web.env.wasm.wasmBinary = readFileSync(require.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm')) as any
const lora = process.argv[2] === 'lora' ? { rank: 16, alpha: 32 } as any : undefined
for (const [kind, runtime] of [['wasm', web], ['node', node]] as const) {
  const engine = await createOrtSliceEngine({ runtime: runtime as any, kind, config, weights: model.weights ?? model.tensors, ...(lora && { lora: { rank: 16, alpha: 32, targets: ['q_proj','k_proj','v_proj','o_proj','gate_proj','up_proj','down_proj'], ...lora } }), sessionOptions: cpuSessionOptions(kind, 1) })
  const time = async (label: string, rows: number, steps: number, len: number, capacity: number) => {
    const cache = engine.createCache(rows, capacity)
    const tokens = new Int32Array(rows * steps).fill(20)
    const lengths = new Int32Array(rows).fill(len)
    const logitRows = steps === 1 ? Int32Array.from({ length: rows }, (_, i) => i) : Int32Array.from({ length: rows }, (_, r) => r * steps + steps - 1)
    const best: number[] = []
    for (let i = 0; i < 25; i++) { const t = performance.now(); await engine.forward({ tokens, rows, steps, lengths, logitRows }, cache); best.push(performance.now() - t) }
    best.sort((a, b) => a - b)
    const ms = best[12]!
    console.log(kind, label, ms.toFixed(2), 'ms', (rows * steps / ms * 1000).toFixed(0), 'tok/s', (rows * steps * 813184 * 2 / ms / 1e6).toFixed(1), 'GFLOP/s')
    cache.release()
  }
  await time('decode 64 @32', 64, 1, 30, 32)
  await time('decode 64 @96', 64, 1, 80, 96)
  await time('decode 16 @96', 16, 1, 80, 96)
  await time('prefill 8x21', 8, 21, 21, 21)
  await time('prefill 20x50', 20, 50, 50, 50)
  await time('prefill 12x79', 12, 79, 79, 79)
}
