import { UserError } from '#trainer/user-error.ts'
import { Command } from 'commander'
import { wholeNumber } from '../number-option.ts'
import { waitForStopSignal } from '../stop-signal.ts'
import { launchBrowser, openVolunteerTab, type TabObserver } from '../volunteer-tabs.ts'

interface VolunteersOptions {
  readonly server: string
  readonly peers: number
  readonly memory?: number
}

function observeTab(tab: number): TabObserver {
  return {
    says: line => console.log(`tab ${tab}: ${line}`),
    failed: error => console.error(`tab ${tab}: ${error.stack ?? error.message}`),
    crashed: () => console.error(`tab ${tab} crashed`)
  }
}

export function volunteersCommand(): Command {
  return new Command('volunteers')
    .description('open volunteer tabs in a headless Chromium until Ctrl-C')
    .requiredOption('--server <url>', 'address of a signaling server')
    .option('--peers <number>', 'how many tabs', wholeNumber(1, 100), 3)
    .option('--memory <megabytes>', "what each lends (default: the page's)", wholeNumber(1))
    .action(async ({ server, peers, memory }: VolunteersOptions) => {
      if (!URL.canParse(server)) throw new UserError(`--server must be an address such as http://127.0.0.1:8787, not "${server}".`)
      const browser = await launchBrowser()
      try {
        for (let tab = 1; tab <= peers; tab++) await openVolunteerTab(browser, server, observeTab(tab), { ...(memory !== undefined && { memory }) })
        console.log(`${peers} tabs work for ${server}. Ctrl-C stops them.`)
        await waitForStopSignal()
      } finally {
        await browser.close()
      }
    })
}
