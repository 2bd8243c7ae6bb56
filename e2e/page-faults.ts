/** What no page may do, whatever it shows. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '@playwright/test'

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Of the page as it is now, each with the element and what is wrong with it. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource)
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import('axe-core') }
    // Colours half-way from one state to the next are nobody's to judge.
    for (const animation of document.getAnimations()) if (animation instanceof CSSTransition) animation.finish()
    const { violations } = await axe.run()
    return violations.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ''}`))
  })
}

/** Each width once, and each colour scheme: what is wrong with colours is so at any width. */
const LOOKS = [
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 360 }
] as const

/** Of the page as it is now, in light and dark, on a desk and on a telephone: what is wrong with it, and that it has to be scrolled sideways. */
export async function faultsOfLooks(page: Page): Promise<string[]> {
  const faults: string[] = []
  for (const { colorScheme, width } of LOOKS) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 800 })
    faults.push(...(await accessibilityFaults(page)).map(fault => `${colorScheme}, ${width} px: ${fault}`))
    const needed = await page.evaluate(() => document.documentElement.scrollWidth)
    if (needed > width) faults.push(`${colorScheme}, ${width} px: it is ${needed} px wide`)
  }
  return faults
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
