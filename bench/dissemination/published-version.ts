/** What is spread: adapters of a small random model that are as large as the version the targets are set on. */
import { tinyConfig } from '#shared/testing/tiny-model.ts'

export const RUN = 'dissemination-bench'
export const MODEL = tinyConfig({ hiddenSize: 256, intermediateSize: 512, headDim: 64, layers: 4 })
/** 4 layers · (512 + 3 · 768) rows and columns · rank · 4 bytes: 20.0 MB. */
export const ADAPTER = { rank: 444, alpha: 8, targets: ['q_proj', 'gate_proj', 'up_proj', 'down_proj'] } as const
export const VERSION_BYTES = 4 * (512 + 3 * 768) * ADAPTER.rank * 4
