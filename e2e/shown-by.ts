import type { Page } from 'playwright-core'

/** What a page says to people, in one line, for whoever reads of a failure. A page that stands still says so. */
export function shownBy(page: Page): Promise<string> {
  return page.innerText('main', { timeout: 5_000 }).then(text => text.replaceAll(/\s+/g, ' '), String)
}
