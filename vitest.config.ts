import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{shared,web-worker-app,signaling-server,trainer,cli,bench,lab,scripts}/**/*.test.{ts,tsx}'],
    setupFiles: ['shared/testing/property-runs.ts'],
    testTimeout: process.env['MURMURATION_HUNT'] === undefined ? 60_000 : 0,
    // Loading a model takes a second, or a minute where the machine has other things to do.
    hookTimeout: 120_000,
    // Native runtimes (onnxruntime-node, libsql) are not built to be loaded in many threads of one process.
    pool: 'forks',
    maxWorkers: 2
  }
})
