import { expect, test } from 'vitest'
import { GeneratedOutbox } from './generated-outbox.ts'
import type { Generated } from './stage-worker-api.ts'

const token = (key: string): Generated => ({ kind: 'token', key, token: 5, logProb: -1 })

test('while the page is at one message the next grows, in order, and pipelines are not mixed', async () => {
  const told: [number, string[]][] = []
  const taken: (() => void)[] = []
  const outbox = new GeneratedOutbox((pipeline, events) => {
    told.push([pipeline, events.map(({ key }) => key)])
    return new Promise(resolve => taken.push(resolve))
  })
  for (const key of ['a', 'b', 'c']) outbox.push(1, [token(key)])
  outbox.push(2, [token('d')])
  outbox.push(2, [token('e'), token('f')])
  expect(told).toEqual([[1, ['a']]])
  taken[0]!()
  await expect.poll(() => told.length).toBe(2)
  taken[1]!()
  await expect.poll(() => told.length).toBe(3)
  taken[2]!()
  expect(told.slice(1)).toEqual([[1, ['b', 'c']], [2, ['d', 'e', 'f']]])
  await new Promise(resolve => setImmediate(resolve))
  outbox.push(2, [token('g')])
  expect(told.at(-1)).toEqual([2, ['g']])
})
