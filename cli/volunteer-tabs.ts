/** Volunteers without people: tabs of one headless Chromium, each in a browser context (and so with a storage) of its own. */
import { chromium, type Browser, type ConsoleMessage, type Page } from 'playwright-core'
import { CHROMIUM_SWITCHES, resolveChromium } from './chromium.ts'

export interface TabObserver {
  /** A line on the tab's console. */
  readonly says: (line: string) => void
  /** An error that nobody in the page caught. */
  readonly failed: (error: Error) => void
  readonly crashed: () => void
}

export interface TabOptions {
  /** Megabytes that the tab lends; too few for the whole model, and it shares the model with others. The page's default otherwise. */
  readonly memory?: number
  /** Called before the page is loaded. */
  readonly prepare?: (page: Page) => Promise<void>
}

/** Opens the volunteer page so that it starts by itself. */
function volunteerAddress(serverUrl: string, { memory }: TabOptions): string {
  const address = new URL('/?autostart=1', serverUrl)
  if (memory !== undefined) address.searchParams.set('memory', String(memory))
  return address.href
}

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: resolveChromium(),
    args: CHROMIUM_SWITCHES,
    headless: true,
    // Ours to handle: the tabs leave before the browser closes.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false
  })
}

function watch(page: Page, observer: TabObserver): void {
  page.on('console', (message: ConsoleMessage) => observer.says(`${message.type()}: ${message.text()}`))
  page.on('pageerror', error => observer.failed(error))
  page.on('crash', () => observer.crashed())
}

/** @returns the tab, loaded and on its way to join */
export async function openVolunteerTab(browser: Browser, serverUrl: string, observer: TabObserver, options: TabOptions = {}): Promise<Page> {
  const context = await browser.newContext()
  const page = await context.newPage()
  watch(page, observer)
  await options.prepare?.(page)
  await page.goto(volunteerAddress(serverUrl, options))
  return page
}
