/** What can happen to a volunteer's tab while others count on it. */
import type { Page } from 'playwright-core'

const SLOWNESS = 'slowness'

/** Lets `slow` work later: every hidden state that the tab's worker sends may be held up. Call before the page is loaded. */
export async function makeSlowable(page: Page): Promise<void> {
  await page.route(/\/assets\/stage-worker[^/]*\.js$/, async route => {
    const response = await route.fetch()
    const prelude = `{
      let holdUpMs = 0
      const channel = new BroadcastChannel(${JSON.stringify(SLOWNESS)})
      channel.onmessage = ({ data }) => { holdUpMs = data }
      const post = MessagePort.prototype.postMessage
      MessagePort.prototype.postMessage = function (...parameters) {
        const end = performance.now() + holdUpMs
        while (holdUpMs > 0 && parameters[0] instanceof Uint8Array && performance.now() < end);
        return post.apply(this, parameters)
      }
    };\n`
    await route.fulfill({ response, body: prelude + (await response.text()) })
  })
}

/** From now on each message to the next stage takes the tab's worker so long: it computes slowly. */
export async function slow(page: Page, holdUpMs: number): Promise<void> {
  await page.evaluate(`new BroadcastChannel(${JSON.stringify(SLOWNESS)}).postMessage(${holdUpMs})`)
}

/** The tab stands still, its links stay open, and nobody is told. */
export async function freeze(page: Page, forMs: number): Promise<void> {
  await page.evaluate(ms => {
    setTimeout(() => {
      const end = performance.now() + ms
      while (performance.now() < end);
    }, 0)
  }, forMs)
}

/** Ends the tab's process: the page cannot say goodbye. */
export async function kill(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash')
  const session = await page.context().newCDPSession(page)
  session.send('Page.crash').catch(() => {})
  await crashed
  await page.context().close()
}

/** No other tab can be reached, and none reaches this one: only relayed addresses may be used, and there is no relay. Call before the page is loaded. */
export async function makeUnlinkable(page: Page): Promise<void> {
  await page.addInitScript(() => {
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration: RTCConfiguration = {}) {
        super({ ...configuration, iceServers: [], iceTransportPolicy: 'relay' })
      }
    }
  })
}
