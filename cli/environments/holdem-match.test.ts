import { expect, test } from 'vitest'
import { opponentGiven } from './holdem-match.ts'

test('nobody is in the other seat unless the flags say who', () => {
  expect(opponentGiven('holdem', {})).toBeUndefined()
  expect(opponentGiven('reverse', {})).toBeUndefined()
  expect(opponentGiven('holdem', { opponentRun: 'runs/a', opponentVersion: 'best' })?.name).toBe('runs/a, version best')
})

test.each([
  ['--opponent-version is one of a run', { opponentVersion: 3 }],
  ['--opponent-url and --opponent-name, both', { opponentUrl: 'http://127.0.0.1:1/v1' }],
  ['--opponent-url and --opponent-name, both', { opponentName: 'x' }],
  ['there is one other seat', { opponentModel: 'a', opponentRun: 'b' }],
  ['--opponent-url file:///etc/passwd: an address such as', { opponentUrl: 'file:///etc/passwd', opponentName: 'x' }],
  ['--opponent-url nowhere: an address such as', { opponentUrl: 'nowhere', opponentName: 'x' }]
])('flags that do not go together are refused: %s', (line, flags) => {
  expect(() => opponentGiven('holdem', flags)).toThrow(line)
})
