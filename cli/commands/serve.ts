import { Command } from 'commander'
import { randomBytes } from 'node:crypto'
import { ROOT } from '../child-process.ts'
import { runInForeground } from '../foreground.ts'
import { addNetworkFlags, networkArguments, type NetworkFlags } from '../network-flags.ts'
import { wholeNumber } from '../number-option.ts'
import { buildPage } from '../page-build.ts'
import { choosePort } from '../port.ts'

interface ServeOptions extends NetworkFlags {
  readonly host: string
  readonly port?: number
  readonly redis?: string
  readonly advertise?: string
}

export function serveCommand(finish: (exitCode: number) => void): Command {
  return addNetworkFlags(new Command('serve'))
    .description('run only the signaling server, which also serves the page')
    .option('--host <address>', 'address to listen on; 0.0.0.0 lets other machines join', '127.0.0.1')
    .option('--port <number>', 'port; 0: any free one', wholeNumber(0, 65_535))
    .option('--redis <url>', 'share the swarm with other servers through this Redis, e.g. redis://127.0.0.1:6379')
    .option('--advertise <url>', 'with --redis: where the other servers reach this one; default: where it listens')
    .addHelpText('after', '\nTrainers must know the token in the environment variable MURMURATION_TRAINER_TOKEN; without it one is made and printed.')
    .action(async (options: ServeOptions) => {
      const port = await choosePort(options.host, options.port)
      const page = await buildPage(ROOT, line => console.error(line))
      const given = process.env['MURMURATION_TRAINER_TOKEN']
      const token = given ?? randomBytes(32).toString('hex')
      if (given === undefined) console.error(`Trainers need: MURMURATION_TRAINER_TOKEN=${token}`)
      finish(await runInForeground('signaling-server', ['--host', options.host, '--port', String(port), '--page', page, ...networkArguments(options), ...clusterArguments(options)], { MURMURATION_TRAINER_TOKEN: token }))
    })
}

/** The server checks them. */
function clusterArguments({ redis, advertise }: ServeOptions): string[] {
  return [...(redis === undefined ? [] : ['--redis', redis]), ...(advertise === undefined ? [] : ['--advertise', advertise])]
}
