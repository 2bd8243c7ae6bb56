import { expect, test } from 'vitest'
import { addressBlockOf } from './address-block.ts'

test.each<[string, string | undefined]>([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::9', '2001:db8:1:2'],
  ['2001:0db8:0001:0002::9', '2001:db8:1:2'],
  ['2001:db8::9', '2001:db8:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['127.0.0.1', undefined],
  ['::ffff:127.0.0.1', undefined],
  ['::1', undefined],
  ['nonsense', undefined]
])('%s is limited as %s', (address, block) => {
  expect(addressBlockOf(address, undefined, 0)).toBe(block)
})

test('behind proxies the address is the one that the outermost of them saw; whatever a client wrote itself is not believed', () => {
  const header = '203.0.113.1, 192.0.2.7, 198.51.100.2'
  expect(addressBlockOf('127.0.0.1', header, 0)).toBeUndefined()
  expect(addressBlockOf('127.0.0.1', header, 1)).toBe('198.51.100.2')
  expect(addressBlockOf('127.0.0.1', header, 2)).toBe('192.0.2.7')
  expect(addressBlockOf('127.0.0.1', '192.0.2.7', 2)).toBeUndefined()
  expect(addressBlockOf('192.0.2.9', undefined, 1)).toBeUndefined()
})
