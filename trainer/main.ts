/** The trainer's process. Says what happens as JSON lines on stdout; bad input is one line on stderr and exit code 2. */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { EnvironmentError } from '#shared/environments/environments.ts'
import { ModelFileError } from '#shared/model/model-file-error.ts'
import { readRunFile, type RunFileOverrides } from './run-file.ts'
import { createRunDirectory, openRunDirectory, type RunDirectory } from './store/run-directory.ts'
import { train } from './train.ts'
import { UserError } from './user-error.ts'

const HELP = `Usage: murmuration train --server URL (--run FILE --run-directory DIR | --resume DIR) [options]

  --server URL          signaling server
  --token TOKEN         its trainer token (default: environment variable MURMURATION_TRAINER_TOKEN)
  --run FILE            run file to start
  --run-directory DIR   new folder for the run
  --resume DIR          go on with the run in this folder
  --updates N           learner steps after which the run ends
  --seed N              seed of all random numbers
  --mode MODE           sequential or async
  --staleness S         staleness budget, in versions
  --report FILE         write the report there, too
`

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', default: false },
        server: { type: 'string' },
        token: { type: 'string' },
        run: { type: 'string' },
        'run-directory': { type: 'string' },
        resume: { type: 'string' },
        updates: { type: 'string' },
        seed: { type: 'string' },
        mode: { type: 'string' },
        staleness: { type: 'string' },
        report: { type: 'string' }
      }
    }).values
  } catch (error) {
    throw new UserError(`${(error as Error).message.split('. ')[0]}; --help lists the options`)
  }
}

type Options = ReturnType<typeof parse>

function required(options: Options, name: 'server' | 'run-directory'): string {
  const value = options[name]
  if (value === undefined) throw new UserError(`--${name} is missing; --help lists the options`)
  return value
}

function wholeNumber(options: Options, name: 'updates' | 'seed' | 'staleness'): number | undefined {
  const text = options[name]
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new UserError(`--${name} ${text}: it must be a whole number`)
  return Number(text)
}

function overridesFrom(options: Options): RunFileOverrides {
  const [updates, seed, stalenessBudget] = [wholeNumber(options, 'updates'), wholeNumber(options, 'seed'), wholeNumber(options, 'staleness')]
  return {
    ...(updates === undefined ? {} : { updates }),
    ...(seed === undefined ? {} : { seed }),
    ...(stalenessBudget === undefined ? {} : { stalenessBudget }),
    ...(options.mode === undefined ? {} : { mode: options.mode })
  }
}

function runDirectoryFrom(options: Options): RunDirectory {
  const overrides = overridesFrom(options)
  if (options.resume === undefined) {
    if (options.run === undefined) throw new UserError('say which run: --run FILE starts one, --resume DIR goes on with one')
    return createRunDirectory(required(options, 'run-directory'), readRunFile(options.run, overrides))
  }
  const fixed = (['run', 'run-directory', 'seed', 'mode', 'staleness'] as const).find(name => options[name] !== undefined)
  if (fixed !== undefined) throw new UserError(`--${fixed} cannot be changed when a run is resumed; only --updates can`)
  if (!existsSync(options.resume)) throw new UserError(`--resume ${options.resume}: there is no such folder`)
  return openRunDirectory(options.resume, overrides)
}

function serverUrl(text: string): string {
  if (!URL.canParse(text)) throw new UserError(`--server ${text}: it must be a URL, like http://127.0.0.1:8787`)
  return text
}

async function main(args: readonly string[]): Promise<void> {
  const options = parse(args)
  if (options.help) {
    process.stdout.write(HELP)
    return
  }
  const url = serverUrl(required(options, 'server'))
  const token = options.token ?? process.env['MURMURATION_TRAINER_TOKEN']
  if (token === undefined) throw new UserError('the trainer token is missing; give --token, or set MURMURATION_TRAINER_TOKEN')
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort())
  await train({
    directory: runDirectoryFrom(options),
    server: { url, token },
    ...(options.report === undefined ? {} : { reportFile: options.report }),
    say: event => process.stdout.write(`${JSON.stringify(event)}\n`),
    warn: line => process.stderr.write(`${line}\n`),
    stop: stop.signal
  })
}

try {
  await main(process.argv.slice(2))
  process.exit(0)
} catch (error) {
  const expected = error instanceof UserError || error instanceof ModelFileError || error instanceof EnvironmentError
  process.stderr.write(`${expected ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(expected ? 2 : 1)
}
