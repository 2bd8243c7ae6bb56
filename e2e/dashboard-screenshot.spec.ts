/** Makes the picture of the dashboard in the README, from a real run: `MURMURATION_SCREENSHOT=docs/dashboard.png npm run test:swarm -- dashboard-screenshot`. */
import { expect, test } from './swarm.ts'

const target = process.env['MURMURATION_SCREENSHOT']

test.use({ viewport: { width: 1280, height: 1300 }, deviceScaleFactor: 1, colorScheme: 'light' })

test('a run on three tabs, pictured', async ({ launchSwarm, page }) => {
  test.skip(target === undefined, 'only when a picture is asked for')
  test.setTimeout(600_000)
  const swarm = await launchSwarm({ peers: 3, seed: 1, run: 'arithmetic' })
  await page.goto(`${swarm.url}/dashboard`)
  await swarm.waitForFeed(({ report }) => report.updates >= 100)
  await expect(page.locator('[data-chart="reward"] canvas')).toBeVisible()
  await page.screenshot({ path: target! })
  await swarm.stopTrainer()
})
