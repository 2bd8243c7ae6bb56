import { Command } from 'commander'
import { runInForeground } from '../foreground.ts'

export function trainCommand(finish: (exitCode: number) => void): Command {
  return new Command('train')
    .description('run only the trainer, for a signaling server that runs elsewhere; `murmuration train --help` lists its options')
    // The trainer reads and explains its own options.
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_options: unknown, command: Command) => {
      finish(await runInForeground('trainer', command.args))
    })
}
