import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{shared,web-worker-app,signaling-server,trainer,cli,bench,lab,scripts}/**/*.test.{ts,tsx}'],
    globalSetup: ['cli/testing/provide-parts.ts'],
    setupFiles: ['shared/testing/property-runs.ts'],
    // Generous, because they end only what will never come: a busy machine may stand still for seconds.
    testTimeout: process.env['MURMURATION_HUNT'] === undefined ? 240_000 : 0,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    // Native runtimes (onnxruntime-node, libsql) are not built to be loaded in many threads of one process.
    pool: 'forks',
    maxWorkers: 2
  }
})
