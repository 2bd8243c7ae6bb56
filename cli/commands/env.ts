import { ENVIRONMENT_NAMES } from '#shared/environments/environments.ts'
import { UserError } from '#trainer/user-error.ts'
import { Command, Option } from 'commander'
import { createInterface } from 'node:readline'
import { evaluateInTerminal, type EvalOptions } from '../environments/evaluate.ts'
import { playInTerminal } from '../environments/play.ts'
import { collectOption, environmentGiven, type EnvironmentFlags } from '../environments/given-environment.ts'
import { versionOfRun, wholeNumber } from '../number-option.ts'

interface PlayOptions extends EnvironmentFlags {
  readonly seed: number
  readonly split: 'train' | 'held-out'
}

export function envCommand(): Command {
  return new Command('env').description('the tasks: list them, play one in the terminal, measure a policy on one').addCommand(listCommand()).addCommand(playCommand()).addCommand(evalCommand())
}

function listCommand(): Command {
  return new Command('list').description('name every task').action(() => console.log(ENVIRONMENT_NAMES.join('\n')))
}

function withEnvironmentFlags(command: Command): Command {
  return command
    .argument('<task>', 'its name; `env list` names all')
    .option('--option <key=value>', 'of the task, as in [environment.options] of a run file; may be repeated', collectOption, {})
    .option('--file <path>', 'JSONL, for tasks that are made of data')
}

function playCommand(): Command {
  return withEnvironmentFlags(new Command('play'))
    .description('play a task: every line that you type is one action')
    .option('--seed <number>', 'of the task that is drawn', wholeNumber(0), 0)
    .addOption(new Option('--split <split>', 'which tasks to draw from').choices(['train', 'held-out']).default('train'))
    .action(async (task: string, { seed, split, ...flags }: PlayOptions) => {
      await playInTerminal(environmentGiven(task, flags), { seed, split }, createInterface({ input: process.stdin }), text => process.stdout.write(text))
    })
}

function evalCommand(): Command {
  return withEnvironmentFlags(new Command('eval'))
    .description('measure a policy on held-out tasks')
    .option('--model <folder>', 'a model: config.json, tokenizer.json, model.safetensors')
    .option('--run <folder>', 'a run; its task options and limits hold unless others are given')
    .option('--version <number|best>', 'of the run; the newest one that is kept unless given', versionOfRun)
    .option('--tasks <number>', 'most held-out tasks', wholeNumber(1, 100_000), 128)
    .option('--samples <number>', 'k: samples of each task at temperature 1, for avg@k, pass@k and maj@k', wholeNumber(0, 1_024), 0)
    .option('--seed <number>', 'of the samples', wholeNumber(0), 0)
    .option('--max-tokens <number>', 'most tokens of one action', wholeNumber(1, 8_192))
    .option('--turns <number>', 'most actions', wholeNumber(1, 64))
    .option('--rollout-tokens <number>', 'most tokens in all', wholeNumber(2, 8_192))
    .option('--opponent-model <folder>', 'hold\'em: a model in the other seat')
    .option('--opponent-run <folder>', 'hold\'em: a version of a run in the other seat')
    .option('--opponent-version <number|best>', 'of that run; the newest one that is kept unless given', versionOfRun)
    .option('--opponent-url <url>', 'hold\'em: an OpenAI-compatible endpoint in the other seat, such as http://127.0.0.1:8080/v1; its key is taken from the environment variable OPENAI_API_KEY')
    .option('--opponent-name <name>', 'of the model behind that endpoint')
    .option('--json', 'one JSON object instead of a table')
    .action(async (task: string, options: EvalOptions) => {
      if ((options.model === undefined) === (options.run === undefined)) throw new UserError('say which policy: --model FOLDER or --run FOLDER')
      if (options.version !== undefined && options.run === undefined) throw new UserError('--version is one of a run; give --run')
      await evaluateInTerminal(task, options, line => process.stdout.write(`${line}\n`))
    })
}
