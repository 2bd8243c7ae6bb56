import { UserError } from '#trainer/user-error.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { installedCandidates, resolveChromium } from './chromium.ts'

const folder = mkdtempSync(join(tmpdir(), 'murmuration-chromium-'))
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('Chrome on the PATH is preferred to Chromium, both to the usual places', () => {
  const candidates = installedCandidates({ PATH: ['/a', '/b'].join(delimiter) }, 'linux')
  expect(candidates.indexOf('/a/google-chrome')).toBeLessThan(candidates.indexOf('/a/chromium'))
  expect(candidates.indexOf('/b/chromium')).toBeLessThan(candidates.indexOf('/opt/google/chrome/chrome'))
})

test('the usual places of macOS and Windows are searched', () => {
  expect(installedCandidates({}, 'darwin')).toContain('/Applications/Google Chrome.app/Contents/MacOS/Google Chrome')
  expect(installedCandidates({ LOCALAPPDATA: '/users/me' }, 'win32')).toContain('/users/me/Google/Chrome/Application/chrome.exe')
})

test('MURMURATION_CHROMIUM decides, and must be a browser', () => {
  const browser = join(folder, 'named')
  writeFileSync(browser, '#!/bin/sh\necho "Chromium 1.2.3"\n', { mode: 0o755 })
  vi.stubEnv('MURMURATION_CHROMIUM', browser)
  expect(resolveChromium()).toBe(browser)
  // What Ubuntu installs as chromium-browser when the snap is missing.
  writeFileSync(browser, '#!/bin/sh\necho "Command requires the chromium snap to be installed." >&2\nexit 1\n', { mode: 0o755 })
  expect(() => resolveChromium()).toThrow(UserError)
})
