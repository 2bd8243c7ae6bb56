/** What no page may do, whatever it shows. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '@playwright/test'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Of the page as it is now, each with the element and what is wrong with it. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axeSource)
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import('axe-core') }
    const { violations } = await axe.run()
    return violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ''}`))
  })
}

/** Requests to others than `origin`, and errors: filled from now on. */
export function watchForFaults(page: Page, origin: string): string[] {
  const faults: string[] = []
  page.on('request', request => {
    if (/^https?:|^wss?:/.test(request.url()) && new URL(request.url()).host !== new URL(origin).host) faults.push(`requested ${request.url()}`)
  })
  page.on('pageerror', error => faults.push(error.stack ?? error.message))
  page.on('console', message => {
    if (message.type() === 'error') faults.push(message.text())
  })
  return faults
}
