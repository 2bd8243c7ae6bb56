import { expect, test } from '@playwright/test'
import { cpSync, existsSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { ROOT } from '../cli/child-process.ts'
import { RunningCommand, runCommand } from './command-line.ts'
import { readReport, readRollouts } from './run-records.ts'
import { writeRunFile } from './swarm.ts'

const SMALL = { batch: { prompts: 4, group: 8 }, evaluation: { size: 16, every: 0 } }

let started: RunningCommand | undefined
test.afterEach(() => started?.kill())

test('Ctrl-C leaves a run that --resume finishes, unattended', async () => {
  const info = test.info()
  const runFile = writeRunFile(info.outputPath('run.toml'), 'reverse', SMALL)
  const directory = info.outputPath('run')
  started = new RunningCommand(['start', '--run', runFile, '--run-directory', directory, '--port', '0', '--peers', '2', '--updates', '1000'])
  await started.waitForOutput(/dashboard {2}http:\/\/127\.0\.0\.1:\d+\/dashboard/)
  await started.waitForOutput(/step [1-9]\d*\/1000/)
  started.interrupt()
  const stopped = await started.finished
  expect(stopped).toMatchObject({ exitCode: 0, stderr: '' })
  expect(stopped.stdout).toContain('To go on: npm start -- --resume ')
  const { updates } = readReport(join(directory, 'report.json'))
  const before = readRollouts(directory).filter(({ outcome }) => outcome === 'accepted')
  expect(before.length).toBeGreaterThanOrEqual(updates * 32)

  const reportFile = info.outputPath('report.json')
  started = new RunningCommand(['start', '--headless', '--resume', directory, '--port', '0', '--peers', '1', '--updates', String(updates + 2), '--report', reportFile])
  expect(await started.finished).toMatchObject({ exitCode: 0, stderr: '' })
  const report = readReport(reportFile)
  expect(report.updates).toBe(updates + 2)
  expect(report.reward).toHaveLength(updates + 2)
  const after = readRollouts(directory).filter(({ reward }) => reward !== null)
  const keys = after.map(({ id, version }) => `${id}@${version}`)
  expect(new Set(keys).size).toBe(keys.length)
  expect(before.filter(({ id, version }) => !keys.includes(`${id}@${version}`))).toEqual([])
})

/** Starts a swarm that must not start, and gives the one line it says. */
async function refusal(args: readonly string[]): Promise<string> {
  const { exitCode, stderr, stdout } = await runCommand(['start', '--headless', '--peers', '0', '--port', '0', ...args])
  expect({ exitCode, lines: stderr.trimEnd().split('\n').length }, stderr + stdout).toEqual({ exitCode: 2, lines: 1 })
  return stderr
}

test.describe('bad input ends with one line that says what and where, and exit code 2:', () => {
  test('a run file with an unknown key, a wrong type, no TOML, or none at all', async () => {
    const info = test.info()
    const file = info.outputPath('bad.toml')
    expect(await refusal(['--run', writeRunFile(file, 'reverse', { batch: { promts: 4 } })])).toMatch(/bad\.toml: unknown key batch\.promts; did you mean batch\.prompts\?/)
    expect(await refusal(['--run', writeRunFile(file, 'reverse', { batch: { prompts: 'four' } })])).toMatch(/bad\.toml: batch\.prompts is "four", but must be number/)
    writeFileSync(file, 'name = \n')
    expect(await refusal(['--run', file])).toMatch(/bad\.toml, line 1: /)
    expect(await refusal(['--run', info.outputPath('missing.toml')])).toMatch(/missing\.toml: the run file cannot be read/)
  })

  test('a model that is missing, incomplete or truncated', async () => {
    const info = test.info()
    const model = info.outputPath('model')
    const runFile = writeRunFile(info.outputPath('run.toml'), 'reverse', { model: { path: model } })
    const refusalOf = (): Promise<string> => refusal(['--run', runFile, '--run-directory', info.outputPath('run')])
    expect(await refusalOf()).toContain('config.json')
    cpSync(join(ROOT, 'public/models/murmuration-tiny'), model, { recursive: true })
    truncateSync(join(model, 'model.safetensors'), 100_000)
    expect(await refusalOf()).toContain('model.safetensors')
    rmSync(join(model, 'model.safetensors'))
    expect(await refusalOf()).toContain('model.safetensors')
    expect(existsSync(info.outputPath('run', 'run.json')), 'no run was begun').toBe(false)
  })

  test('a port in use, a folder that is not a run, an option that is none', async () => {
    const info = test.info()
    const runFile = writeRunFile(info.outputPath('run.toml'), 'reverse', SMALL)
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    expect(await refusal(['--run', runFile, '--port', String(port)])).toContain(`Port ${port} on 127.0.0.1 is in use`)
    other.close()
    expect(await refusal(['--resume', info.outputPath()])).toMatch(/run\.json: cannot be read/)
    expect(await refusal(['--staleness', 'much'])).toContain('--staleness')
    expect(await refusal(['--fast'])).toContain('--fast')
  })
})
