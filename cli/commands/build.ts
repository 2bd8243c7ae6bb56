import { Command } from 'commander'
import { ROOT } from '../child-process.ts'
import { buildPage } from '../page-build.ts'
import { buildParts } from '../part-build.ts'

export function buildCommand(): Command {
  return new Command('build').description('build the page and the parts that run beside it, and print the folder of the page').action(async () => {
    await buildParts(ROOT)
    console.log(await buildPage(ROOT, line => console.error(line)))
  })
}
