/**
 * Writes levels that differ, and not only by a symmetry, as XSB text to the standard output; to the standard error how fast a level is drawn, as a
 * run draws them:
 *
 *     npm run sokoban:levels -- [--variant sokoban-2] [--split held-out] [--count 10] [--seed 1]
 */
import { parseArgs } from 'node:util'
import { decode } from '#shared/protocol/schema.ts'
import type { Split } from '#shared/environments/environment.ts'
import { distinctLevels, drawLevel, type LevelSettings } from '#shared/environments/sokoban/level-generator.ts'
import { SOKOBAN_VARIANTS, sokobanOptions } from '#shared/environments/sokoban/options.ts'
import { formatXsb } from '#shared/environments/sokoban/xsb.ts'
import { createRng } from '#shared/random/rng.ts'

const USAGE = `usage: npm run sokoban:levels -- [--variant ${SOKOBAN_VARIANTS.join('|')}] [--split train|held-out] [--count N] [--seed TEXT]`

function parse() {
  const { values } = parseArgs({
    options: { variant: { type: 'string', default: 'sokoban-2' }, split: { type: 'string', default: 'held-out' }, count: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } }
  })
  const variant = SOKOBAN_VARIANTS.find(name => name === values.variant)
  const split = (['train', 'held-out'] as const).find(name => name === values.split)
  const count = Number(values.count)
  if (variant === undefined) throw new Error(`--variant ${values.variant}: use one of ${SOKOBAN_VARIANTS.join(', ')}`)
  if (split === undefined) throw new Error(`--split ${values.split}: use train or held-out`)
  if (!Number.isInteger(count) || count < 1) throw new Error(`--count ${values.count}: use a whole number from 1`)
  return { variant, split, count, seed: values.seed }
}

function main({ variant, split, count, seed }: ReturnType<typeof parse>): void {
  const options = decode(sokobanOptions(variant), {})
  if (options.kind === 'malformed') throw new Error(`the defaults of ${variant} are malformed`)
  const pushes: number[] = []
  for (const level of distinctLevels(options.value, split, createRng(seed))) {
    pushes.push(level.pushes)
    console.log(`; ${level.hash} · boxes ${options.value.boxes} · fewest pushes ${level.pushes}\n${formatXsb(level.board)}\n`)
    if (pushes.length === count) break
  }
  const most = Math.max(...pushes)
  const histogram = Array.from({ length: most }, (_, index) => `${index + 1}: ${pushes.filter(number => number === index + 1).length}`).filter(entry => !entry.endsWith(' 0'))
  console.error(`${pushes.length} ${split} levels of ${variant}; by fewest pushes ${histogram.join(', ')}`)
  console.error(`drawing one: ${drawingMs(options.value, split).toFixed(3)} ms of processor time, mean of ${DRAWS}`)
}

const DRAWS = 10_000

/** Mean over DRAWS, after as many to warm up. */
function drawingMs(settings: LevelSettings, split: Split): number {
  let start = process.cpuUsage()
  for (let draw = -DRAWS; draw < DRAWS; draw++) {
    if (draw === 0) start = process.cpuUsage()
    drawLevel(settings, split, createRng(draw))
  }
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1_000 / DRAWS
}

let args: ReturnType<typeof parse>
try {
  args = parse()
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
  process.exit(2)
}
main(args)
