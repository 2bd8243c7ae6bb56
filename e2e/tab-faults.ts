/** What can happen to a volunteer's tab while others count on it. */
import type { Page, Worker } from 'playwright-core'

const SLOWNESS = 'slowness'

/** What the tab's workers of this name run before their own script. Call before the page is loaded. */
export async function beforeWorker(page: Page, name: 'stage-worker' | 'network-worker', script: string): Promise<void> {
  await page.route(new RegExp(`/assets/${name}[^/]*\\.js$`), async route => {
    const response = await route.fetch()
    await route.fulfill({ response, body: `{ ${script} };\n${await response.text()}` })
  })
}

export function networkWorkerOf(page: Page): Worker {
  return page.workers().find(worker => worker.url().includes('network-worker'))!
}

/** A thirtieth of the time passes for the tab's network worker, until `setPatience` says otherwise. */
export const PATIENT = `
  const now = performance.now.bind(performance)
  let [at, told] = [now(), now()]
  self.patience = 30
  performance.now = () => {
    const next = now()
    told += (next - at) / self.patience
    at = next
    return told
  }`

/**
 * However long other tabs take, on a machine that stands still for seconds: none is taken for stalled, and nothing is fetched elsewhere
 * because of that. For tests that count who sent what. Call before the page is loaded.
 */
export async function makePatient(page: Page): Promise<void> {
  await beforeWorker(page, 'network-worker', PATIENT)
}

/** @param patience 1: the tab's clock is everybody's again */
export async function setPatience(page: Page, patience: number): Promise<void> {
  await networkWorkerOf(page).evaluate(patience => Object.assign(globalThis, { patience }), patience)
}

/** Lets `slow` work later: every hidden state that the tab's worker sends may be held up. Call before the page is loaded. */
export async function makeSlowable(page: Page): Promise<void> {
  await beforeWorker(
    page,
    'stage-worker',
    `let holdUpMs = 0
    const channel = new BroadcastChannel(${JSON.stringify(SLOWNESS)})
    channel.onmessage = ({ data }) => { holdUpMs = data }
    const post = MessagePort.prototype.postMessage
    MessagePort.prototype.postMessage = function (...parameters) {
      const end = performance.now() + holdUpMs
      while (holdUpMs > 0 && parameters[0] instanceof Uint8Array && performance.now() < end);
      return post.apply(this, parameters)
    }`
  )
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

/** The tab's data channels stay on its page, as in browsers that cannot transfer them. Call before the page is loaded. */
export async function makeUntransferable(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const post = new Proxy(Reflect.get(Worker.prototype, 'postMessage') as (message: unknown, transferred?: Transferable[]) => void, {
      apply: (target, worker, parameters: [unknown, Transferable[]?]) => {
        if (parameters[1]?.some(each => each instanceof RTCDataChannel) === true) throw new DOMException('it could not be cloned', 'DataCloneError')
        Reflect.apply(target, worker, parameters)
      }
    })
    Object.assign(Worker.prototype, { postMessage: post })
  })
}
