/** `npm run bench -- NAME [--out FILE]`: runs one benchmark, prints its table, keeps it as JSON when asked to. */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { UserError } from '#trainer/user-error.ts'
import type { Benchmark } from './benchmark.ts'
import { commit, hardware } from './hardware.ts'
import { markdownTable } from './table.ts'

const BENCHMARKS: Readonly<Record<string, () => Promise<Benchmark>>> = {
  deltas: async () => (await import('./deltas/deltas-bench.ts')).deltasBenchmark,
  dissemination: async () => (await import('./dissemination/dissemination-bench.ts')).disseminationBenchmark,
  'dissemination-simulated': async () => (await import('./dissemination/simulated-bench.ts')).simulatedDisseminationBenchmark,
  learner: async () => (await import('./learner.ts')).learnerBenchmark,
  links: async () => (await import('./links/links-bench.ts')).linksBenchmark,
  pipeline: async () => (await import('./pipeline/pipeline-bench.ts')).pipelineBenchmark,
  rollout: async () => (await import('./rollout.ts')).rolloutBenchmark,
  scheduling: async () => (await import('./scheduling/scheduling-bench.ts')).schedulingBenchmark,
  serve: async () => (await import('./serve/serve-bench.ts')).serveBenchmark,
  signaling: async () => (await import('./signaling/signaling-bench.ts')).signalingBenchmark,
  tasks: async () => (await import('./tasks/tasks-bench.ts')).tasksBenchmark
}

function usage(): string {
  return `usage: npm run bench -- NAME [--out FILE], where NAME is one of: ${Object.keys(BENCHMARKS).join(', ')}`
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: { out: { type: 'string' } }, allowPositionals: true })
  const name = positionals[0] ?? ''
  const load = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined
  if (load === undefined || positionals.length > 1) {
    console.error(usage())
    return 2
  }
  const benchmark = await load()
  console.log(`${benchmark.name}: ${benchmark.what}\n${hardware()}\n`)
  const result = await benchmark.run(line => {
    console.log(`  ${line}`)
  })
  console.log(`\n${markdownTable(result.rows)}\n`)
  for (const [key, value] of Object.entries(result.headline)) console.log(`${key}: ${value.toPrecision(4)}`)
  for (const note of result.notes) console.log(`note: ${note}`)
  if (values.out !== undefined) {
    writeFileSync(values.out, `${JSON.stringify({ name, commit: commit(), hardware: hardware(), ...result }, null, 2)}\n`)
  }
  return 0
}

process.exitCode = await main().catch((error: unknown) => {
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    console.error(`${error.message}\n${usage()}`)
    return 2
  }
  if (error instanceof UserError) {
    console.error(error.message)
    return 2
  }
  throw error
})
