import type { Cell } from '../benchmark.ts'
import type { MeasuredLoad } from './pipeline-session.ts'

export interface Setting {
  readonly model: string
  readonly stages: number
  /** Of each stage. */
  readonly threads: number
  readonly delayMs: number
  readonly sequences: number
}

/** What was measured, one or more times each, in the order in which settings came first. */
export class MeasuredLoads {
  readonly #loads = new Map<string, { readonly setting: Setting; readonly loads: MeasuredLoad[] }>()

  add(setting: Setting, load: MeasuredLoad): void {
    const known = this.#loads.get(keyOf(setting))
    if (known === undefined) this.#loads.set(keyOf(setting), { setting, loads: [load] })
    else known.loads.push(load)
  }

  /** Decoding, with all sequences in flight. */
  tokensPerSecond(setting: Setting): number {
    return mean(this.#of(setting).map(({ decodeRate }) => decodeRate))
  }

  /** Prompts included. @returns NaN where the system does not tell */
  tokensPerCpuSecond(setting: Setting): number {
    const loads = this.#of(setting)
    return sum(loads.map(({ tokens }) => tokens)) / sum(loads.map(({ cpuSeconds }) => cpuSeconds ?? NaN))
  }

  /** The faster of all numbers of threads that were tried. */
  tokensPerSecondOfOneTab(model: string, sequences: number): number {
    const oneTabs = [...this.#loads.values()].filter(({ setting }) => setting.model === model && setting.stages === 1 && setting.sequences === sequences)
    return Math.max(...oneTabs.map(({ setting }) => this.tokensPerSecond(setting)))
  }

  rows(): Record<string, Cell>[] {
    return [...this.#loads.values()].map(({ setting, loads }) => {
      const { model, stages, threads, delayMs, sequences } = setting
      const rate = this.tokensPerSecond(setting)
      const perCpuSecond = this.tokensPerCpuSecond(setting)
      const cores = sum(loads.map(({ cpuSeconds }) => cpuSeconds ?? NaN)) / sum(loads.map(({ seconds }) => seconds))
      return {
        model,
        stages,
        'threads each': threads,
        'one-way delay, ms': delayMs,
        sequences,
        'micro-batches': [...new Set(loads.map(({ microBatches }) => microBatches))].join(', '),
        'token/s': rate,
        'of the same at 0 ms': rate / this.tokensPerSecond({ ...setting, delayMs: 0 }),
        'of the faster one tab': rate / this.tokensPerSecondOfOneTab(model, sequences),
        'token/s with prompts': sum(loads.map(({ tokens }) => tokens)) / sum(loads.map(({ seconds }) => seconds)),
        'busiest stage': mean(loads.map(({ busy }) => Math.max(...busy))),
        'cores used': Number.isNaN(cores) ? '' : cores,
        'tokens per CPU-second': Number.isNaN(perCpuSecond) ? '' : perCpuSecond
      }
    })
  }

  #of(setting: Setting): readonly MeasuredLoad[] {
    const known = this.#loads.get(keyOf(setting))
    if (known === undefined) throw new Error(`nothing was measured for ${JSON.stringify(setting)}`)
    return known.loads
  }
}

function keyOf({ model, stages, threads, delayMs, sequences }: Setting): string {
  return [model, stages, threads, delayMs, sequences].join('/')
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length
}
