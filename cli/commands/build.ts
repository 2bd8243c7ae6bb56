import { Command } from 'commander'
import { ROOT } from '../child-process.ts'
import { buildPage } from '../page-build.ts'

export function buildCommand(): Command {
  return new Command('build').description('build the page and print the folder it is in').action(async () => {
    console.log(await buildPage(ROOT, line => console.error(line)))
  })
}
