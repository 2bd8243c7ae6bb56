import { expect, test } from 'vitest'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cells } from './cells.ts'
import { curvesSvg } from './curves-svg.ts'
import { firstDraws, gain, heldOutDraws, scoreEstimate } from './held-out-scores.ts'
import { measuredTasks } from './measured-tasks.ts'
import { learningPoints } from './swarm-run.ts'
import { environmentNamed } from '#shared/environments/environments.ts'
import { readRunFile } from '#trainer/run-file.ts'

test('a finished cell is measured again only when what it depends on has changed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'murmuration-cells-'))
  const input = join(folder, 'input')
  let measurements = 0
  const get = () => new Cells(join(folder, 'cells')).get('one', [input], () => Promise.resolve({ measurement: ++measurements }))
  writeFileSync(input, 'a')
  expect(await get()).toEqual({ result: { measurement: 1 }, kept: false })
  expect(await get()).toEqual({ result: { measurement: 1 }, kept: true })
  writeFileSync(input, 'b')
  expect(await get()).toEqual({ result: { measurement: 2 }, kept: false })
})

test('a measurement that fails leaves no cell', async () => {
  const cells = new Cells(mkdtempSync(join(tmpdir(), 'murmuration-cells-')))
  await expect(cells.get('one', [], () => Promise.reject(new Error('lost')))).rejects.toThrow('lost')
  expect(await cells.get('one', [], () => Promise.resolve(1))).toEqual({ result: 1, kept: false })
})

test('reads the learning curve out of what a trainer says', () => {
  const log = ['{"event":"update","version":20}', '{"event":"evaluated","version":0,"success":0.25,"n":4}', 'Error: {"event":"evaluated"', '{"event":"evaluated","version":20,"success":0.5,"n":4}', ''].join('\n')
  expect(learningPoints(log)).toEqual([{ version: 0, success: 0.25 }, { version: 20, success: 0.5 }])
})

test('a gain is over the same tasks', () => {
  expect(gain([0, 0, 1, 1], [1, 1, 1, 1]).value).toBe(0.5)
  expect(gain([0, 1, 0, 1], [0, 1, 0, 1])).toEqual({ value: 0, low: 0, high: 0 })
  expect(() => gain([1], [1, 0])).toThrow('not of the same tasks')
  expect(scoreEstimate([1, 0, 0, 0], 'solved').value).toBe(0.25)
  const { value, low, high } = scoreEstimate([-1, 2, -1, 2], 'big blinds')
  expect([value, low < 0.5, high > 0.5]).toEqual([0.5, true, true])
})

test('held-out tasks are as they are drawn, and each is known when it comes again', () => {
  const environment = environmentNamed('reverse', { length: 2 })
  const tasks = heldOutDraws(environment, 200).map(task => JSON.stringify(task))
  const first = firstDraws(environment, 200)
  expect(tasks).toHaveLength(200)
  expect(first.length).toBe(new Set(tasks).size)
  expect(first.length).toBeLessThan(200)
  expect(first.map(draw => tasks.indexOf(tasks[draw]!))).toEqual(first)
})

test("hold'em's held-out hands are pairs of one deal, as its scores take them", () => {
  const hands = heldOutDraws(environmentNamed('holdem'), 64) as { deal: string; seat: number }[]
  for (let index = 0; index < hands.length; index += 2) {
    expect(hands[index]!.deal).toBe(hands[index + 1]!.deal)
    expect(hands[index]!.seat).not.toBe(hands[index + 1]!.seat)
  }
})

test('every run file that is measured is one that can be read, of a task that is measured', () => {
  for (const { runFile, settings } of measuredTasks()) {
    const { environment } = readRunFile(runFile)
    expect(settings.map(setting => setting.environment.name)).toContain(environment.name)
  }
})

test('draws each curve within the picture', () => {
  const svg = curvesSvg({ title: 'a < b', xLabel: 'updates', format: String, range: [0, 1], goal: { y: 0.5, label: 'half' }, curves: [{ name: 'seed 1', points: [[0, 0], [100, 1], [200, 7]] }] })
  expect(svg).toContain('a &lt; b')
  const points = /points="([^"]+)"/.exec(svg)![1]!.split(' ').map(point => point.split(',').map(Number))
  expect(points).toEqual([[52, 222], [260, 30], [468, 30]])
})
