/**
 * Finds a Chromium: the one named by MURMURATION_CHROMIUM, else an installed Chrome or Chromium, else Playwright's own, else one
 * that Playwright downloads, else the distribution's package. The last two only happen on machines that have no browser.
 */
import { UserError } from '#trainer/user-error.ts'
import { spawnSync, type SpawnSyncOptions } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { chromium } from 'playwright-core'

const NAMES = ['google-chrome-stable', 'google-chrome', 'chromium', 'chromium-browser', 'chrome']

/** Package managers whose `chromium` package is a browser, in the order in which they are tried. */
const DISTRIBUTION_PACKAGES: readonly (readonly (readonly string[])[])[] = [
  [['apt-get', 'update'], ['apt-get', 'install', '-y', '--no-install-recommends', 'chromium']],
  [['dnf', 'install', '-y', 'chromium']],
  [['apk', 'add', 'chromium']],
  [['pacman', '-S', '--noconfirm', 'chromium']],
  [['zypper', '--non-interactive', 'install', 'chromium']]
]

/**
 * Switches that volunteer tabs in a driven browser need: WebGPU also on software adapters, host candidates instead of mDNS names (one
 * machine, no multicast needed), no traffic of the browser's own, and the same priority for all of a tab's threads: where it runs
 * as root, Chromium puts the main threads of pages that nobody looks at below their own workers. Nor are the pages wanted that newer
 * Chromiums load behind the address bar of every window, and nobody sees here: they were four fifths of what opening a tab costs.
 * A second `--disable-features` replaces Playwright's, so those of its entries that matter here are repeated.
 */
export const CHROMIUM_SWITCHES = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-background-networking',
  `--disable-features=${[
    'WebRtcHideLocalIpsWithMdns',
    'PMProcessPriorityPolicy',
    'WebUIOmniboxPopup',
    'WebUIOmniboxAimPopup',
    'HttpsUpgrades',
    'HttpsFirstBalancedModeAutoEnable',
    'PaintHolding',
    'MediaRouter',
    'OptimizationHints',
    'NetworkTimeServiceQuerying',
    'AimEnabled',
    'PreconnectToSearch',
    'AvoidUnnecessaryBeforeUnloadCheckSync',
    'Translate'
  ].join(',')}`
]

/** Where Chrome and Chromium are installed when they are not on the PATH. */
function usualPlaces(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string[] {
  if (platform === 'darwin') {
    const applications = ['/Applications', join(environment['HOME'] ?? '', 'Applications')]
    return applications.flatMap(folder => [join(folder, 'Google Chrome.app/Contents/MacOS/Google Chrome'), join(folder, 'Chromium.app/Contents/MacOS/Chromium')])
  }
  if (platform === 'win32') {
    return [environment['PROGRAMFILES'], environment['PROGRAMFILES(X86)'], environment['LOCALAPPDATA']]
      .filter(folder => folder !== undefined)
      .flatMap(folder => [join(folder, 'Google/Chrome/Application/chrome.exe'), join(folder, 'Chromium/Application/chrome.exe')])
  }
  return ['/opt/google/chrome/chrome', '/usr/lib/chromium/chromium', '/usr/lib/chromium-browser/chromium-browser', '/snap/bin/chromium']
}

/** @returns every path at which an installed browser may lie, most preferred first. */
export function installedCandidates(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform): string[] {
  const extension = platform === 'win32' ? '.exe' : ''
  const folders = (environment['PATH'] ?? '').split(delimiter).filter(folder => folder !== '')
  return [...NAMES.flatMap(name => folders.map(folder => join(folder, name + extension))), ...usualPlaces(environment, platform)]
}

/** True when the file says it is a Chrome or Chromium: some distributions install a script that only prints advice. */
function isBrowser(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
  } catch {
    return false
  }
  // On Windows `--version` opens a window instead of answering.
  if (process.platform === 'win32') return true
  const answer = spawnSync(path, ['--version'], { encoding: 'utf8', timeout: 20_000 })
  return answer.status === 0 && /Chrom(e|ium)/.test(answer.stdout)
}

function findInstalled(): string | undefined {
  return installedCandidates(process.env, process.platform).find(path => existsSync(path) && isBrowser(path))
}

function findPlaywrights(): string | undefined {
  const path = chromium.executablePath()
  return path !== '' && existsSync(path) && isBrowser(path) ? path : undefined
}

function run(command: readonly string[], environment: NodeJS.ProcessEnv = {}, timeout = 600_000): boolean {
  const [program, ...args] = command
  const options: SpawnSyncOptions = { stdio: ['ignore', 2, 2], timeout, env: { ...process.env, ...environment } }
  return spawnSync(program!, args, options).status === 0
}

function downloadPlaywrights(): void {
  console.error('No Chrome or Chromium found: asking Playwright for one ...')
  const playwright = join(dirname(createRequire(import.meta.url).resolve('playwright-core/package.json')), 'cli.js')
  // Short, because a network that serves packages only may swallow the attempt.
  run([process.execPath, playwright, 'install', '--no-shell', 'chromium'], { PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: '10000' }, 300_000)
}

function installDistributions(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return
  const commands = DISTRIBUTION_PACKAGES.find(([first]) => spawnSync(first![0]!, ['--version'], { stdio: 'ignore' }).error === undefined)
  if (commands === undefined) return
  console.error(`Installing the distribution's chromium package (${commands.at(-1)!.join(' ')}) ...`)
  commands.every(command => run(command, { DEBIAN_FRONTEND: 'noninteractive' }))
}

/**
 * @returns the path of a browser that runs.
 * @throws UserError when there is none and none could be installed, or MURMURATION_CHROMIUM names something else.
 */
export function resolveChromium(): string {
  const named = process.env['MURMURATION_CHROMIUM']
  if (named !== undefined && named !== '') {
    if (isBrowser(named)) return named
    throw new UserError(`MURMURATION_CHROMIUM is "${named}", which is not a Chrome or Chromium that runs. Correct it, or unset it to let one be found.`)
  }
  const present = findInstalled() ?? findPlaywrights()
  if (present !== undefined) return present
  downloadPlaywrights()
  const downloaded = findPlaywrights()
  if (downloaded !== undefined) return downloaded
  installDistributions()
  const installed = findInstalled()
  if (installed !== undefined) return installed
  throw new UserError('No Chrome or Chromium was found and none could be installed. Install one (Debian: sudo apt-get install chromium), or set MURMURATION_CHROMIUM to the path of one.')
}
