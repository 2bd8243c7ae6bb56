/**
 * The hold'em players against each other, in duplicate matches:
 *
 *     npm run holdem:opponents -- [--pairs N] [--stack CHIPS] [--seed S] [--hands FILE]
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { handHistories } from '#shared/environments/holdem/hand-history.ts'
import { duplicateMatch, type Table } from '#shared/environments/holdem/match.ts'
import { PLAYERS, PLAYER_NAMES, type PlayerName } from '#shared/environments/holdem/players.ts'
import { BUTTON } from '#shared/environments/holdem/seat.ts'
import { winRate, type WinRate } from '#shared/environments/holdem/win-rate.ts'

const USAGE = 'usage: npm run holdem:opponents -- [--pairs N] [--stack CHIPS] [--seed S] [--hands FILE]'

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`--${name} must be a whole number of at least ${least}, not "${text}"`)
  return value
}

function cell({ mean, margin }: WinRate): string {
  return `${mean < 0 ? '−' : '+'}${Math.abs(mean).toFixed(2)} ± ${margin.toFixed(2)}`
}

/** One file of hands in PHH's form for several, in the order in which they were played. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { pairs: { type: 'string', default: '2000' }, stack: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' }, hands: { type: 'string' } }
  })
  const pairs = wholeNumber('pairs', values.pairs, 2)
  const table: Table = { blinds: { small: 1, big: 2 }, stack: wholeNumber('stack', values.stack, 2) }
  const rates = new Map<string, WinRate>()
  const histories: string[] = []
  let played = 0
  for (const [index, name] of PLAYER_NAMES.entries()) {
    for (const other of PLAYER_NAMES.slice(index + 1)) {
      const hands = duplicateMatch(table, PLAYERS[name], PLAYERS[other], pairs, values.seed)
      const rate = winRate(hands)
      rates.set(`${name} ${other}`, rate).set(`${other} ${name}`, { ...rate, mean: -rate.mean })
      if (values.hands !== undefined) {
        const named = hands.map(({ hand, seat }) => ({ hand, players: seat === BUTTON ? [name, other] as const : [other, name] as const }))
        histories.push(handHistories(named, played + 1))
        played += named.length
      }
    }
  }
  const row = (name: PlayerName): string => PLAYER_NAMES.map(other => (name === other ? '' : cell(rates.get(`${name} ${other}`)!))).join(' | ')
  console.log(`Big blinds per hand, row against column, with 95 % intervals: ${pairs.toLocaleString('en')} deals, each played from both seats; ${table.stack} chips, blinds 1/2\n`)
  console.log(`| | ${PLAYER_NAMES.join(' | ')} |\n|---|${PLAYER_NAMES.map(() => '---|').join('')}`)
  for (const name of PLAYER_NAMES) console.log(`| ${name} | ${row(name)} |`)
  if (values.hands !== undefined) {
    await writeFile(values.hands, histories.join('\n'))
    console.log(`\nwrote ${played.toLocaleString('en')} hands to ${values.hands}`)
  }
  return 0
}

process.exitCode = await main().catch((error: unknown) => {
  const ofArguments = error instanceof RangeError || (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  if (!ofArguments) throw error
  console.error(`${(error as Error).message}\n${USAGE}`)
  return 2
})
