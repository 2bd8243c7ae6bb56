import { exportVersion } from '#trainer/evaluation/export-version.ts'
import type { WantedVersion } from '#trainer/evaluation/stored-policy.ts'
import { Command } from 'commander'
import { versionOfRun } from '../number-option.ts'

interface ExportOptions {
  readonly version?: WantedVersion
  readonly out: string
}

export function exportCommand(): Command {
  return new Command('export')
    .description('write a version of a run as a model: config.json, tokenizer.json, model.safetensors')
    .argument('<run>', 'folder of the run')
    .option('--version <number|best>', 'the newest one that is kept unless given; best: of those that were measured', versionOfRun)
    .requiredOption('--out <folder>', 'where to; nothing may be in it')
    .action(async (run: string, { version, out }: ExportOptions) => {
      console.log(`${out}: version ${await exportVersion(run, version, out)} of ${run}`)
    })
}
