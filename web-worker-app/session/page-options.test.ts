import { expect, test } from 'vitest'
import { readPageOptions } from './page-options.ts'

test('nothing starts by itself unless the address says so', () => {
  expect(readPageOptions('')).toEqual({ autostart: false, engine: { allowSoftwareAdapter: false, threads: 1 }, memoryBytes: 1_000_000_000 })
  expect(readPageOptions('?autostart=1&run=first&engine=webgpu&allowSoftwareAdapter=1&threads=2&memory=3&storage=0&hideAddress=1&utm_source=x')).toEqual({
    autostart: true,
    run: 'first',
    engine: { only: 'webgpu', allowSoftwareAdapter: true, threads: 2 },
    memoryBytes: 3_000_000,
    hideAddress: true,
    storageBytes: 0
  })
})

test.each(['?threads=0', '?memory=0', '?memory=1e3', '?storage=-1', '?hideAddress=0', '?threads=-1', '?engine=cuda', '?autostart=yes', '?run=No%20Run'])('%s is refused with a line that names the parameter', search => {
  expect(readPageOptions(search)).toMatch(new RegExp(`^The page’s address: ${/\?(\w+)/.exec(search)![1]} must be`))
})
