import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { expect, test } from '@playwright/test'
import express from 'express'
import { sampleDescription, sampleFeed } from '#web-worker-app/presentation/sample-run.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { closeTabs } from './close-tabs.ts'
import { ScriptedTrainer } from './scripted-trainer.ts'

/** Pages whose first connection fails: the server is not there yet, or does not admit them. */

const token = randomBytes(32).toString('hex')
let builtPage: string
let server: SignalingServer
let origin: string

test.beforeAll(async () => {
  builtPage = await buildPage(ROOT, () => {})
})

test.beforeEach(async () => {
  server = await startServer(0)
  origin = server.url
})

test.afterEach(async ({ browser }) => {
  await closeTabs(browser)
  await server.close()
})

function startServer(port: number): Promise<SignalingServer> {
  return startSignalingServer({ port, host: '127.0.0.1', page: builtPage, models: 'public/models', trainerToken: token })
}

/** The page's files and nothing else, as from a proxy in front of a server that is down. */
async function serveFilesOnly(port: number): Promise<Server> {
  const app = express()
  app.get('/dashboard', (_request, response) => response.sendFile('index.html', { root: builtPage }))
  app.use(express.static(builtPage))
  const files = app.listen(port, '127.0.0.1')
  await once(files, 'listening')
  return files
}

const VIEWS = [
  { path: '/', unreachable: 'The server cannot be reached at the moment. Trying again by itself.', run: '[data-run-figure="updates"]' },
  { path: '/dashboard', unreachable: 'The server cannot be reached', run: '[data-card="reward"]' }
] as const

for (const { path, unreachable, run } of VIEWS) {
  test(`${path} says that the server cannot be reached, and finds it when it appears`, async ({ page }) => {
    const { port } = server
    await server.close()
    const files = await serveFilesOnly(port)
    await page.goto(origin + path)
    await expect(page.getByText(unreachable)).toBeVisible()
    await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'offline')
    await expect(page.getByText('last ones received')).toHaveCount(0)

    // From now on nobody listens at all.
    const closed = once(files, 'close')
    files.close()
    files.closeAllConnections()
    await closed
    await page.waitForEvent('console', message => message.text().includes('ERR_CONNECTION_REFUSED'))
    await expect(page.getByText(unreachable)).toBeVisible()

    server = await startServer(port)
    await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'online')
    await expect(page.getByText(unreachable)).toHaveCount(0)
    const trainer = new ScriptedTrainer(origin, token)
    await trainer.openRun(sampleDescription)
    trainer.sendFeed(sampleFeed)
    await expect(page.locator(run)).toBeVisible()
    trainer.close()
  })

  test(`${path} says that the server does not take it, and asks again`, async ({ page }) => {
    const handshakes: string[] = []
    await page.routeWebSocket(/\/socket\.io\//, socket => {
      const upstream = socket.connectToServer()
      socket.onMessage(message => {
        const handshake = String(message).startsWith('40{')
        if (handshake) handshakes.push(String(message))
        // The first is spoilt on its way, so that the server refuses it.
        upstream.send(handshake && handshakes.length === 1 ? '40{"role":"nobody"}' : message)
      })
    })
    const warned = page.waitForEvent('console', message => message.type() === 'warning')
    await page.goto(origin + path)
    await expect(page.getByText(/The server does not take this page/)).toBeVisible()
    await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'refused')
    expect((await warned).text()).toMatch(/^the server refused the connection: auth: role must be/)

    await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'online')
    await expect(page.getByText(/No run is open/)).toBeVisible()
    expect(handshakes).toHaveLength(2)
  })
}
