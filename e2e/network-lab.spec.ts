import { once } from 'node:events'
import { expect, test } from '@playwright/test'
import { launchBrowserIn } from '../lab/lab-browser.ts'
import { openLab } from '../lab/lab.ts'
import { labLacks } from '../lab/requirements.ts'

/** Chromium in a network lab: its traffic passes through the emulated links, and nothing else does. */

const lacking = labLacks()
if (lacking !== undefined) console.warn(`SKIPPED, Chromium in a network lab: ${lacking}`)
test.skip(lacking !== undefined, lacking)

const BYTES = 100_000
const SERVER = `require('node:http').createServer((_, answer) => answer.end('x'.repeat(${BYTES}))).listen(8080, () => console.log('listening'))`

test('a tab loads a page of another node, offers its own node as a candidate, and hears nothing when it is cut off', async () => {
  const lab = await openLab({ nodes: { server: {}, tab: { delayMs: 5 } } })
  try {
    const server = lab.spawn('server', process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(server.stdout!, 'data')
    const origin = `http://${lab.address('server')}:8080`
    const browser = await launchBrowserIn(lab, 'tab', { secureOrigins: [origin] })
    const page = await browser.newPage()
    await page.goto(origin)
    expect(await page.evaluate(() => [isSecureContext, document.body.textContent.length])).toEqual([true, BYTES])
    expect((await lab.counters())['tab']!.receivedBytes).toBeGreaterThan(BYTES)

    const candidates = await page.evaluate(async () => {
      const connection = new RTCPeerConnection()
      connection.createDataChannel('any')
      const addresses: (string | null)[] = []
      const gathered = new Promise<void>(resolve => {
        connection.addEventListener('icecandidate', ({ candidate }) => (candidate === null ? resolve() : void addresses.push(candidate.address)))
      })
      await connection.setLocalDescription()
      await gathered
      return addresses
    })
    expect([...new Set(candidates)]).toEqual([lab.address('tab')])

    await lab.change('tab', { cut: true })
    const answer = await page.evaluate(() => fetch('/', { cache: 'no-store', signal: AbortSignal.timeout(1000) }).then(() => 'answered', ({ name }: Error) => name))
    expect(answer).toBe('TimeoutError')
    await lab.change('tab', { cut: false })
    expect(await page.evaluate(async () => (await (await fetch('/', { cache: 'no-store' })).text()).length)).toBe(BYTES)
    await browser.close()
  } finally {
    await lab.close()
  }
})
