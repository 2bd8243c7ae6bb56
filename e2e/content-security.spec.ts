import { randomBytes } from 'node:crypto'
import { expect, test, type Page } from '@playwright/test'
import { tinyConfig } from '#shared/testing/tiny-model.ts'
import { sampleDescription, sampleFeed } from '#web-worker-app/presentation/sample-run.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { LeasingTrainer } from './leasing-trainer.ts'
import { ScriptedTrainer } from './scripted-trainer.ts'

/** Both pages at work under the server's content security policy. */

const token = randomBytes(32).toString('hex')
let server: SignalingServer

test.beforeAll(async () => {
  const page = await buildPage(ROOT, () => {})
  server = await startSignalingServer({ port: 0, host: '127.0.0.1', page, models: 'public/models', trainerToken: token })
})

test.afterAll(() => server.close())

/** What the policy forbade, in the page and (as the console has it) in its workers. Call before the page is loaded. */
async function watchForViolations(page: Page): Promise<string[]> {
  const violations: string[] = []
  await page.exposeFunction('violated', (directive: string) => violations.push(directive))
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ effectiveDirective }) => (window as unknown as { violated: (directive: string) => void }).violated(effectiveDirective))
  })
  page.on('console', message => {
    if (message.type() === 'error') violations.push(message.text())
  })
  page.on('pageerror', error => violations.push(error.message))
  return violations
}

/** Proves that a violation would have been noticed. */
async function expectStyleElementRefused(page: Page, violations: readonly string[]): Promise<void> {
  expect(violations).toEqual([])
  await page.evaluate(() => {
    const style = document.createElement('style')
    style.textContent = 'body { background: red }'
    document.head.append(style)
  })
  await expect.poll(() => violations).toContain('style-src-elem')
}

test('a tab that generates violates nothing', async ({ page }) => {
  const trainer = new LeasingTrainer(server.url, token, 'policy-test', tinyConfig(), { rank: 4, alpha: 8, targets: ['q_proj'] })
  await trainer.open()
  await trainer.publish(0)
  const violations = await watchForViolations(page)
  await page.goto(`${server.url}/?run=policy-test`)
  await page.getByRole('button', { name: 'Start helping' }).click()
  await trainer.waitFor(() => [...trainer.delivered.values()].some(rollouts => rollouts.length >= 8))
  await expect(page.locator('[data-figure="accepted"] dd')).not.toHaveText('0')
  await expectStyleElementRefused(page, violations)
  trainer.close()
})

test('a dashboard that draws, points and tabulates violates nothing', async ({ page }) => {
  const trainer = new ScriptedTrainer(server.url, token)
  await trainer.openRun(sampleDescription)
  trainer.sendFeed(sampleFeed)
  const violations = await watchForViolations(page)
  await page.goto(`${server.url}/dashboard?run=${sampleDescription.run}`)
  const chart = page.locator('[data-chart="reward"]')
  await chart.locator('.u-over').hover()
  await expect(chart.locator('.u-cursor-x')).toHaveCSS('position', 'absolute')
  await page.setViewportSize({ width: 600, height: 800 })
  await chart.getByRole('button', { name: 'Table: Reward per update' }).click()
  await expect(chart.locator('tbody tr')).toHaveCount(3)
  await page.getByRole('button', { name: 'Hold display' }).click()
  await expectStyleElementRefused(page, violations)
  trainer.close()
})
