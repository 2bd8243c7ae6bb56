import { defineConfig } from '@playwright/test'
import { CHROMIUM_SWITCHES, resolveChromium } from './cli/chromium.ts'

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  // A retried pass is a hidden failure.
  retries: 0,
  workers: 1,
  fullyParallel: false,
  forbidOnly: process.env['CI'] !== undefined,
  timeout: 120_000,
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    launchOptions: { executablePath: resolveChromium(), args: CHROMIUM_SWITCHES },
    // Pictures of every frame cost more processor than the tabs have here.
    trace: { mode: 'retain-on-failure', screenshots: false },
    screenshot: 'only-on-failure'
  }
})
