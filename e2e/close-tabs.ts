import type { Browser } from 'playwright-core'

/**
 * Nobody else closes the contexts that a test opens by itself: its tabs would go on beside all the tests that follow. Call before the server
 * closes, which otherwise waits for the idle connections of its pages.
 */
export async function closeTabs(browser: Browser): Promise<void> {
  await Promise.all(browser.contexts().map(context => context.close()))
}
