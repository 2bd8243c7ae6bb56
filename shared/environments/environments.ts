/** The tasks that a run file can name. */
import { decode, v } from '../protocol/schema.ts'
import { arithmetic, arithmeticOptions } from './arithmetic.ts'
import type { Environment } from './environment.ts'
import { holdem, holdemOptions } from './holdem.ts'
import { reverse, reverseOptions } from './reverse.ts'
import { sokoban } from './sokoban.ts'
import { SOKOBAN_VARIANTS, sokobanOptions } from './sokoban/options.ts'

type Options = v.GenericSchema<unknown, unknown>

interface Entry {
  readonly options: Options
  readonly create: (options: unknown) => Environment
}

const ENVIRONMENTS: ReadonlyMap<string, Entry> = new Map([
  ['arithmetic', entry(arithmeticOptions, arithmetic)],
  ['holdem', entry(holdemOptions, holdem)],
  ['reverse', entry(reverseOptions, reverse)],
  ...SOKOBAN_VARIANTS.map(name => [name, entry(sokobanOptions(name), options => sokoban(name, options))] as const)
])

/** One line for the user: what is wrong with the environment's name or options, where, and what is allowed. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
}

/**
 * @param options as read from a run file; absent keys take their defaults
 * @throws {EnvironmentError} for an unknown name, an unknown option or a value of the wrong type or range
 */
export function environmentNamed(name: string, options: unknown = {}): Environment {
  const found = ENVIRONMENTS.get(name)
  if (found === undefined) {
    throw new EnvironmentError(`environment "${name}" is unknown; use one of: ${[...ENVIRONMENTS.keys()].join(', ')}`)
  }
  const decoded = decode(found.options, options)
  if (decoded.kind === 'malformed') {
    const where = decoded.path === '' ? 'the options' : `option ${decoded.path}`
    const problem = decoded.expected === 'never' ? 'is unknown' : `must be ${decoded.expected}`
    throw new EnvironmentError(`environment "${name}": ${where} ${problem}`)
  }
  return found.create(decoded.value)
}

function entry<const Schema extends Options>(options: Schema, create: (options: v.InferOutput<Schema>) => Environment): Entry {
  return { options, create: checked => create(checked as v.InferOutput<Schema>) }
}
