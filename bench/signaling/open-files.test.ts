import { expect, test } from 'vitest'
import { UserError } from '#trainer/user-error.ts'
import { checkOpenFiles } from './open-files.ts'

test.runIf(process.platform === 'linux')('more sockets than the system allows are refused in one line that says how many and what to do', () => {
  expect(() => checkOpenFiles(1)).not.toThrow()
  expect(() => checkOpenFiles(2 ** 40)).toThrow(UserError)
  expect(() => checkOpenFiles(2 ** 40)).toThrow(/^1099511627776 sockets need a limit of at least 1099511627976 open files, and it is \d+: raise/)
})
