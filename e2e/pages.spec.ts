import { randomBytes } from 'node:crypto'
import { expect, test, type Locator, type Page } from '@playwright/test'
import { environmentNamed } from '#shared/environments/environments.ts'
import type { RunFeed, ShownRollout } from '#shared/protocol/run-feed.ts'
import { PEER_A, PEER_B, sampleDescription, sampleFeed } from '#web-worker-app/presentation/sample-run.ts'
import { startSignalingServer, type SignalingServer } from '#signaling-server/server.ts'
import { ROOT } from '../cli/child-process.ts'
import { buildPage } from '../cli/page-build.ts'
import { closeTabs } from './close-tabs.ts'
import { accessibilityFaults, faultsOfLooks, watchForFaults } from './page-faults.ts'
import { ScriptedTrainer } from './scripted-trainer.ts'

/** Both pages in a real browser, on the real server. Only the trainer is scripted, so that every state of a run can be shown. */

/** A rollout of a task by its demonstrations, as a trainer shows it. */
function demonstrated(id: string, name: string, options: object = {}): ShownRollout {
  const environment = environmentNamed(name, options)
  let state = environment.start(environment.sample(7, 'train'))
  const turns: { prompt: string; completion: string }[] = []
  let reward = 0
  for (let done = false; !done; ) {
    const prompt = environment.render(state)
    const completion = environment.demonstrate!(state)
    const stepped = environment.step(state, completion)
    turns.push({ prompt, completion })
    state = stepped.state
    reward += stepped.reward
    done = stepped.done
  }
  const record = environment.record?.(state)
  return { id, peer: PEER_B, version: 3, earlier: turns.slice(0, -1), ...turns.at(-1)!, ...(record !== undefined && { record }), outcome: 'accepted', reward, reason: null }
}

/** Task, rollout, and what it is drawn as. */
const SHOWN = [
  ['sokoban-2', demonstrated('50/0', 'sokoban-2', { movesPerTurn: 4 }), '.sokoban-picture'],
  ['holdem', demonstrated('51/0', 'holdem'), '.holdem-table'],
  ['arithmetic', demonstrated('52/0', 'arithmetic', { operations: ['*'], scratchpad: true }), '.worked-answer li >> nth=0'],
  ['guess', demonstrated('53/0', 'guess', { largest: 100 }), '.worked-range >> nth=0']
] as const

let builtPage: string
let token: string
let server: SignalingServer
let origin: string
let trainer: ScriptedTrainer

test.beforeAll(async () => {
  builtPage = await buildPage(ROOT, () => {})
})

test.beforeEach(async () => {
  token = randomBytes(32).toString('hex')
  server = await startServer(0)
  origin = server.url
})

test.afterEach(async ({ browser }) => {
  await closeTabs(browser)
  trainer?.close()
  await server.close()
})

function startServer(port: number): Promise<SignalingServer> {
  return startSignalingServer({ port, host: '127.0.0.1', page: builtPage, models: 'public/models', trainerToken: token })
}

async function openRun(feed: RunFeed = sampleFeed): Promise<void> {
  trainer = new ScriptedTrainer(origin, token)
  await trainer.openRun(sampleDescription)
  trainer.sendFeed(feed)
}

/** `feed` after one more learner step, so that a test can wait for it to be shown. */
function oneUpdateLater(feed: RunFeed): RunFeed {
  return { ...feed, report: { ...feed.report, updates: feed.report.updates + 1, reward: [...feed.report.reward, 0.7] } }
}

function status(page: Page): Locator {
  return page.locator('.tab-status')
}

function card(page: Page, id: string): Locator {
  return page.locator(`[data-card="${id}"] .card-value`)
}

test.describe('volunteer page', () => {
  test('tells its cost and starts nothing by itself', async ({ page }) => {
    const requested: string[] = []
    page.on('request', request => requested.push(new URL(request.url()).pathname))
    const faults = watchForFaults(page, origin)
    await openRun()
    await page.goto(origin)
    // The feed has arrived: whatever would start by itself has had its chance.
    await expect(page.locator('[data-run-figure="updates"] dd')).toHaveText('3 of 12')

    await expect(page.getByText(sampleDescription.goal)).toBeVisible()
    await expect(page.getByText('3.2 MB of model')).toBeVisible()
    await expect(page.getByText('can see your IP address')).toBeVisible()
    await expect(page.getByRole('button', { name: /Start helping.*MB to download/ })).toBeEnabled()
    await expect(status(page)).toHaveAttribute('data-reason', 'not_started')
    expect(page.workers()).toEqual([])
    expect(trainer.joined).toEqual([])
    expect(requested.filter(path => /\.wasm$|worker/.test(path))).toEqual([])
    expect(faults).toEqual([])
  })

  test('no link can start it in a browser that a person drives', async ({ page }) => {
    await page.addInitScript(() => Object.defineProperty(navigator, 'webdriver', { get: () => false }))
    await openRun()
    await page.goto(`${origin}/?autostart=1`)
    await expect(page.locator('[data-run-figure="updates"] dd')).toHaveText('3 of 12')
    await expect(status(page)).toHaveAttribute('data-reason', 'not_started')
    expect(page.workers()).toEqual([])
    expect(trainer.joined).toEqual([])
  })

  test('an address with a wrong parameter is answered in words', async ({ page }) => {
    await page.goto(`${origin}/?engine=cuda`)
    await expect(page.getByRole('alert')).toHaveText('The page’s address: engine must be ("webgpu" | "wasm")')
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('link').click()
    await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'online')
  })

  test('starts and stops when it is told to', async ({ page }) => {
    await openRun()
    await page.goto(origin)
    await page.getByRole('button', { name: 'Start helping' }).click()
    // The whole way: join, download, self-test, and then no lease, because this trainer has none to give.
    await expect(status(page)).toHaveAttribute('data-state', 'waiting')
    await expect(page.locator('[data-figure="version"] dd')).toHaveText('0')
    await expect(page.locator('[data-figure="engine"] dd')).toHaveText(/WASM|WebGPU/)
    await expect(page.locator('.from-origin')).toHaveText(/[1-9].* kB from the server/)
    await expect(page.getByRole('button', { name: 'Start' })).toHaveCount(0)
    await page.getByRole('button', { name: 'Pause' }).click()
    await expect(status(page)).toHaveAttribute('data-reason', 'user_paused')
    await page.getByRole('button', { name: 'Resume' }).click()
    await expect(status(page)).toHaveAttribute('data-state', 'waiting')
    expect(await accessibilityFaults(page)).toEqual([])
    await page.getByRole('button', { name: 'Stop' }).click()
    await expect(status(page)).toHaveAttribute('data-reason', 'user_stopped')
    await expect(page.getByRole('heading', { name: 'Before you start' })).toBeVisible()
    await expect(page.getByRole('button', { name: 'Start again' })).toBeEnabled()
  })

  test('a tab that waits is told that the run is over', async ({ page }) => {
    await openRun()
    await page.goto(origin)
    await page.getByRole('button', { name: 'Start helping' }).click()
    await expect(status(page)).toHaveAttribute('data-state', 'waiting')
    await expect(status(page)).toContainText('Ready')
    trainer.sendFeed({ ...oneUpdateLater(sampleFeed), phase: 'finished' })
    await expect(status(page)).toContainText('Run finished')
  })

  test('waits for a run, and offers to help as soon as one opens', async ({ page }) => {
    await page.goto(origin)
    await expect(page.getByText('No run is open at the moment.')).toBeVisible()
    await expect(page.getByRole('button', { name: 'Start helping' })).toBeDisabled()
    await openRun()
    await expect(page.getByRole('button', { name: 'Start helping' })).toBeEnabled()
  })

  test('says when the server is gone, and comes back by itself', async ({ page }) => {
    await openRun()
    await page.goto(origin)
    await expect(page.locator('[data-run-figure="updates"] dd')).toHaveText('3 of 12')
    trainer.close()
    await server.close()
    await expect(page.getByText('Connection to the server lost.')).toBeVisible()
    await expect(page.getByRole('button', { name: 'Start helping' })).toBeDisabled()

    server = await startServer(Number(new URL(origin).port))
    await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'online')
    await openRun(oneUpdateLater(sampleFeed))
    await expect(page.locator('[data-run-figure="updates"] dd')).toHaveText('4 of 12')
    await expect(page.getByText('Connection to the server lost.')).toHaveCount(0)
  })
})

test.describe('dashboard', () => {
  test('shows the numbers of the feed, and follows it', async ({ page }) => {
    const faults = watchForFaults(page, origin)
    await openRun()
    await page.goto(`${origin}/dashboard`)
    await expect(page.getByRole('heading', { level: 1 })).toHaveText(sampleDescription.run)
    await expect(card(page, 'success')).toHaveText('41.2 % → 55.0 %')
    await expect(card(page, 'reward')).toHaveText('0.61')
    await expect(card(page, 'lag')).toHaveText('1.23 / 3')
    await expect(card(page, 'rollouts')).toHaveText('872')
    await expect(page.locator(`tr[data-peer="${PEER_B}"] td`)).toHaveText(['generating', 'WebGPU', '3', '412', '9,700', '460', '15', '1', '0 B', '4.2 MB'])
    await expect(page.locator(`tr[data-link="${PEER_A}-${PEER_B}"]`)).toHaveText(/^bbbbbbaaaaaaTURN relay over TCP40 ms4\.0 MB94\.0 kB$/)
    await expect(page.locator('tr[data-reason="log_prob_mismatch"] td')).toHaveText('12')

    trainer.sendFeed(oneUpdateLater(sampleFeed))
    await expect(card(page, 'reward')).toHaveText('0.7')
    await expect(page.getByText('4 of 12')).toBeVisible()
    expect(trainer.joined).toEqual([])
    expect(faults).toEqual([])
  })

  test('shows what peers wrote as text, whatever it looks like', async ({ page }) => {
    await openRun()
    await page.goto(`${origin}/dashboard`)
    const completion = page.locator('[data-rollout="40/2"] .completion')
    await expect(completion).toHaveText('<b>48</b>')
    await expect(completion.locator('b')).toHaveCount(0)
    await page.getByRole('button', { name: 'Rejected', exact: true }).click()
    await expect(page.locator('[data-rollout]')).toHaveCount(1)
    await expect(page.locator('[data-rollout="40/2"]')).toContainText('its probabilities differ from the recomputed ones')
  })

  for (const [task, rollout, drawn] of SHOWN) {
    test(`a rollout of ${task} is opened, drawn and kept while the run goes on`, async ({ page }) => {
      const faults = watchForFaults(page, origin)
      const feed = { ...sampleFeed, task, latestRollouts: [rollout, ...sampleFeed.latestRollouts] }
      await openRun(feed)
      await page.goto(`${origin}/dashboard`)
      await page.getByRole('button', { name: `Open rollout ${rollout.id}` }).click()
      const opened = page.locator(`[data-opened="${rollout.id}"]`)
      await expect(opened.getByRole('heading')).toBeFocused()
      await expect(opened.locator(drawn)).toBeVisible()
      trainer.sendFeed(oneUpdateLater({ ...feed, latestRollouts: sampleFeed.latestRollouts }))
      await expect(page.getByText('4 of 12')).toBeVisible()
      await expect(page.locator(`[data-rollout="${rollout.id}"]`)).toHaveCount(0)
      await opened.getByText('As the policy reads and writes it').click()
      await expect(opened.locator('.completion').last()).toHaveText(rollout.completion)
      expect(await faultsOfLooks(page)).toEqual([])
      await opened.getByRole('button', { name: 'Close' }).click()
      await expect(opened).toHaveCount(0)
      expect(faults).toEqual([])
    })
  }

  test('a rollout that is not of its task is shown as it came', async ({ page }) => {
    const faults = watchForFaults(page, origin)
    await openRun({ ...sampleFeed, task: 'holdem', latestRollouts: [{ ...sampleFeed.latestRollouts[1]!, record: 'variant = "NT"' }] })
    await page.goto(`${origin}/dashboard`)
    await page.getByRole('button', { name: 'Open rollout 40/2' }).click()
    await expect(page.locator('[data-opened] .completion')).toHaveText('<b>48</b>')
    await expect(page.locator('[data-opened] details')).toHaveCount(0)
    expect(faults).toEqual([])
  })

  test('every chart has a sentence, and a table with the same numbers', async ({ page }) => {
    await openRun()
    await page.goto(`${origin}/dashboard`)
    const charts = page.locator('[data-chart]')
    await expect(charts).toHaveCount(5)
    for (const chart of await charts.all()) {
      await expect(chart.getByRole('img')).toHaveAccessibleName(/\d.*\.$/)
      await expect(chart.locator('canvas')).toBeVisible()
    }
    const reward = page.locator('[data-chart="reward"]')
    await reward.getByRole('button', { name: 'Table: Reward per update' }).click()
    await expect(reward.locator('tbody tr')).toHaveText(['10.450.45', '20.50.475', '30.610.52'])
    await expect(reward.locator('canvas')).toHaveCount(0)
    await reward.getByRole('button', { name: 'Table: Reward per update' }).click()
    await expect(reward.locator('canvas')).toBeVisible()
  })

  test('draws what the feed says', async ({ page }) => {
    const steady = { ...sampleFeed, report: { ...sampleFeed.report, reward: [0.5, 0.5, 0.5, 0.5] } }
    await openRun(steady)
    await page.goto(`${origin}/dashboard`)
    const canvas = page.locator('[data-chart="reward"] canvas')
    await expect(canvas).toBeVisible()
    const flat = await canvas.screenshot()
    trainer.sendFeed({ ...steady, report: { ...steady.report, reward: [0.1, 0.9, 0.1, 0.9] } })
    await expect(card(page, 'reward')).toHaveText('0.9')
    await expect.poll(async () => (await canvas.screenshot()).equals(flat)).toBe(false)
  })

  test('a held display stands still while the run goes on', async ({ page }) => {
    await openRun()
    await page.goto(`${origin}/dashboard`)
    await page.getByRole('button', { name: 'Hold display' }).click()
    // A second page proves that the newer feed went out.
    const other = await page.context().newPage()
    await other.goto(`${origin}/dashboard`)
    trainer.sendFeed(oneUpdateLater(sampleFeed))
    await expect(card(other, 'reward')).toHaveText('0.7')
    await expect(card(page, 'reward')).toHaveText('0.61')
    await page.getByRole('button', { name: 'Continue' }).click()
    await expect(card(page, 'reward')).toHaveText('0.7')
  })

  test('a malformed feed is refused by name and changes nothing', async ({ page }) => {
    await openRun()
    await page.goto(`${origin}/dashboard`)
    await expect(card(page, 'reward')).toHaveText('0.61')
    const { report } = oneUpdateLater(sampleFeed)
    const refused = await trainer.sendMalformedFeed(sampleDescription.run, { ...sampleFeed, report: { ...report, updates: 'four' } })
    expect(refused).toMatchObject({ code: 'malformed' })
    expect(refused.detail).toContain('updates')
    await expect(card(page, 'reward')).toHaveText('0.61')
    await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'online')
    trainer.sendFeed(oneUpdateLater(sampleFeed))
    await expect(card(page, 'reward')).toHaveText('0.7')
  })

  test('malformed feeds from the wire are named once, change nothing, and are followed by the next good one', async ({ page }) => {
    let malformed = 0
    await page.routeWebSocket(/\/socket\.io\//, socket => {
      const upstream = socket.connectToServer()
      upstream.onMessage(message => {
        const spoilt = String(message).replace(/^42\["run_feed",.*"updates":4\b/s, feed => feed.replace(/4$/, '"four"'))
        if (spoilt !== message) malformed++
        socket.send(spoilt)
      })
    })
    const faults = watchForFaults(page, origin)
    const warnings: string[] = []
    page.on('console', message => {
      if (message.type() === 'warning') warnings.push(message.text())
    })
    await openRun()
    await page.goto(`${origin}/dashboard`)
    await expect(card(page, 'reward')).toHaveText('0.61')
    const later = oneUpdateLater(sampleFeed)
    for (let times = 0; times < 3; times++) trainer.sendFeed(later)
    await expect.poll(() => malformed).toBe(3)
    await expect.poll(() => warnings).toEqual([expect.stringMatching(/^the server's run_feed: report\.updates must be number/)])
    await expect(card(page, 'reward')).toHaveText('0.61')
    await expect(page.locator('.connection')).toHaveAttribute('data-connection', 'online')

    trainer.sendFeed(oneUpdateLater(later))
    await expect(page.getByText('5 of 12')).toBeVisible()
    expect(warnings).toHaveLength(1)
    expect(faults).toEqual([])
  })

  test('says that no run is open', async ({ page }) => {
    await page.goto(`${origin}/dashboard`)
    await expect(page.getByRole('heading', { name: 'No run is open' })).toBeVisible()
    await expect(page.getByText('npm start')).toBeVisible()
  })
})

test('both pages are accessible and fit, in light and dark, on a desk and on a telephone', async ({ page }) => {
  await openRun()
  for (const [path, shown] of [
    ['/', '[data-run-figure]'],
    ['/dashboard', `tr[data-peer="${PEER_A}"]`]
  ] as const) {
    await page.goto(origin + path)
    await expect(page.locator(shown).first()).toBeAttached()
    expect(await faultsOfLooks(page), path).toEqual([])
  }
  for (const toggle of await page.getByRole('button', { name: /^Table: / }).all()) await toggle.click()
  expect(await faultsOfLooks(page), 'tables').toEqual([])
})
