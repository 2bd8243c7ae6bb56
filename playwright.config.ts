import { defineConfig } from '@playwright/test'
import { CHROMIUM_SWITCHES, resolveChromium } from './cli/chromium.ts'

/**
 * Ten times as much as V8's own: after so much work a function of WASM is compiled once more, with all optimisations. A tab of a test is gone before
 * that pays, and it took a third of the processor that a tab needs to load.
 */
const WASM_TIERING_BUDGET = 130_000_000

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  // A retried pass is a hidden failure.
  retries: 0,
  workers: 1,
  fullyParallel: false,
  forbidOnly: process.env['CI'] !== undefined,
  // Generous, because they end only what will never come: a busy machine may stand still for seconds, and no test is about how fast it is.
  timeout: 240_000,
  expect: { timeout: 60_000 },
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    launchOptions: { executablePath: resolveChromium(), args: [...CHROMIUM_SWITCHES, `--js-flags=--wasm-tiering-budget=${WASM_TIERING_BUDGET}`] },
    // What a trace records costs more processor than the tabs have here: `--trace on` where one is looked for. Pictures of what failed would
    // be named in the last lines of a log, where the reason has to be.
    trace: 'off',
    screenshot: 'off'
  }
})
