import OpenAI from 'openai'
import type { LayerCoverage } from '#shared/protocol/layer-coverage.ts'
import { CoverageWatcher } from './coverage-watcher.ts'
import { expect, test, type SwarmOptions, type TestSwarm } from './swarm.ts'

/** An ordinary client, and a person at the playground, are answered by the tabs of a run that is being trained. */

/** Megabytes: too few for the four layers of the shipped model and its keys and values, enough for two of them. */
const HALF_MB = 22
/** A run that ends long after the test. */
const RUN_FILE = { batch: { prompts: 4, group: 4 }, evaluation: { size: 16 } }

let coverage: CoverageWatcher

test.afterEach(() => coverage.close())

async function launch(launchSwarm: (options: SwarmOptions) => Promise<TestSwarm>): Promise<{ readonly swarm: TestSwarm; readonly client: OpenAI }> {
  const swarm = await launchSwarm({ peers: 0, seed: 3, overrides: RUN_FILE, args: ['--updates', '1000'] })
  coverage = new CoverageWatcher(swarm.url)
  return { swarm, client: new OpenAI({ baseURL: `${swarm.url}/v1`, apiKey: 'none', maxRetries: 0 }) }
}

/** Asks for 64 answers of which the model says 128 tokens each, and goes away with the first. @returns the request's id */
async function leaveInTheMiddle(client: OpenAI): Promise<string> {
  const [run] = (await client.models.list()).data
  const stream = await client.completions.create({ model: `${run!.id}@0`, prompt: Array.from({ length: 8 }, () => '_-_-_-_-_-_-_-_-_-_-'), n: 8, temperature: 0, max_tokens: 200, stream: true })
  for await (const { id } of stream) return id
  throw new Error('an answer without a part')
}

/** @returns how the answers to a request ended that the coverage still tells of, once none of them is under way */
async function endsOf(id: string): Promise<(string | null)[]> {
  const answersIn = ({ recent }: LayerCoverage): LayerCoverage['recent'] => recent.filter(({ key }) => key.startsWith(id))
  const told = await coverage.waitFor(told => answersIn(told).length > 0 && answersIn(told).every(({ end }) => end !== null))
  return answersIn(told).map(({ end }) => end)
}

const openPipelines = ({ pipelines }: LayerCoverage): LayerCoverage['pipelines'] => pipelines.filter(({ open, versions }) => open && versions.length > 0)

test('nobody answers before there are tabs; then they do, at every version that is kept, and to whoever asks at once', async ({ launchSwarm }) => {
  const { swarm, client } = await launch(launchSwarm)
  const { data } = await client.models.list()
  const run = data[0]!.id
  expect(data.map(({ id }) => id)).toEqual([run, `${run}@0`])
  const question = { model: `${run}@0`, prompt: '37+48=', temperature: 0 }
  const refused: unknown = await client.completions.create(question).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(OpenAI.InternalServerError)
  expect(refused).toMatchObject({ status: 503, code: 'layers_missing', error: { missing: [{ layers: { start: 0, end: 4 }, reason: 'absent_peer' }] } })

  // Half a model each: what one of them makes, the other completes.
  await swarm.openTab({ memory: HALF_MB })
  await swarm.openTab({ memory: HALF_MB })
  const told = await coverage.waitFor(told => openPipelines(told).length > 0)
  expect(openPipelines(told)[0]!.stages).toHaveLength(2)

  const answer = await client.completions.create({ ...question, logprobs: 1 })
  expect(answer.choices[0]).toMatchObject({ text: '085', finish_reason: 'stop', logprobs: { tokens: ['0', '8', '5', '␃'] } })
  const chat = await client.chat.completions.stream({ model: `${run}@0`, messages: [{ role: 'user', content: '37+48=' }], temperature: 0 }).finalMessage()
  expect(chat.content).toBe('085')

  // The run goes on meanwhile: its versions become models.
  await swarm.waitForFeed(({ report }) => report.updates >= 2)
  await coverage.waitFor(told => openPipelines(told).some(({ versions }) => versions.some(version => version >= 2)))
  const newest = await client.completions.create({ model: run, prompt: '37+48=' })
  expect(Number(newest.model.split('@')[1])).toBeGreaterThan(0)

  const ask = async (seed: number): Promise<string> => {
    let text = ''
    for await (const part of await client.completions.create({ model: `${run}@0`, prompt: `${seed}+1=`, seed, temperature: 1.5, max_tokens: 12, stream: true })) text += part.choices[0]!.text
    return text
  }
  const seeds = Array.from({ length: 24 }, (_, seed) => seed)
  const together = await Promise.all(seeds.map(ask))
  expect(await ask(7)).toBe(together[7])
  expect(new Set(together).size).toBeGreaterThan(8)
})

test('whoever goes away in the middle is given up at once; the playground shows the tabs that answer', async ({ launchSwarm, page }) => {
  const { swarm, client } = await launch(launchSwarm)
  await swarm.openTab({ memory: HALF_MB })
  await swarm.openTab({ memory: HALF_MB })
  await coverage.waitFor(told => openPipelines(told).length > 0)

  let ends: (string | null)[]
  do {
    ends = await endsOf(await leaveInTheMiddle(client))
    // Whoever was too slow to leave has been answered in full, and learns nothing.
  } while (ends.every(end => end === 'stop' || end === 'length'))
  expect(ends).toContain('given_up')

  await page.goto(`${swarm.url}/playground`)
  await page.getByLabel('Prompt', { exact: true }).fill('37+48=')
  await page.getByRole('button', { name: 'Ask' }).click()
  const answer = page.getByRole('region', { name: 'Answer', exact: true })
  await expect(answer).toHaveAttribute('data-end', /stop|length/)
  const key = `${await answer.getAttribute('data-answer')}/0`
  const served = (await coverage.waitFor(({ recent }) => recent.some(request => request.key === key && request.end !== null))).recent.find(request => request.key === key)!
  const stages = served.chains.flat().map(({ peer }) => peer)
  expect(new Set(stages).size).toBe(2)
  await expect.poll(() => page.locator('[data-stage]').evaluateAll(tabs => tabs.map(tab => tab.getAttribute('data-stage')))).toEqual(stages)
})
