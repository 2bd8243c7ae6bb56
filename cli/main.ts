/** The `murmuration` command. Expected failures end with one line and exit code 2 (bad input) or 1 (a part failed). */
import { EnvironmentError } from '#shared/environments/environments.ts'
import { ModelFileError } from '#shared/model/model-file-error.ts'
import { UserError } from '#trainer/user-error.ts'
import { Command, CommanderError } from 'commander'
import { buildCommand } from './commands/build.ts'
import { envCommand } from './commands/env.ts'
import { exportCommand } from './commands/export.ts'
import { serveCommand } from './commands/serve.ts'
import { startCommand } from './commands/start.ts'
import { trainCommand } from './commands/train.ts'
import { volunteersCommand } from './commands/volunteers.ts'
import { PartFailure } from './part-failure.ts'

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof UserError || error instanceof ModelFileError || error instanceof EnvironmentError) {
    console.error(error.message)
    return 2
  }
  if (error instanceof PartFailure) {
    console.error(error.message)
    return 1
  }
  throw error
}

/** Settings reach subcommands only where they are copied. */
function inheriting(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent)
  for (const inner of command.commands) inheriting(inner, command)
  return command
}

async function main(args: readonly string[]): Promise<number> {
  let exitCode = 0
  const finish = (code: number): void => {
    exitCode = code
  }
  const program = new Command('murmuration')
    .description('A swarm of browser tabs samples, a trainer on this machine learns. `murmuration start` runs everything.')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${text.trimEnd().replaceAll(/\s*\n\s*/g, ' ')}\n`) })
  for (const command of [startCommand(finish), serveCommand(finish), volunteersCommand(), buildCommand(), envCommand(), exportCommand()]) {
    program.addCommand(inheriting(command, program))
  }
  program.addCommand(trainCommand(finish))
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCode
  } catch (error) {
    return exitCodeOf(error)
  }
}

process.exit(await main(process.argv.slice(2)))
