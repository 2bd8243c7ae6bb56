/** One wish to stop may arrive as several signals: `npm start` passes on what the terminal or `timeout` sent to the whole group. */
const SAME_WISH_MS = 1000

/** Resolves when a person or the system asks this process to stop (Ctrl-C, SIGTERM, the terminal closes). The second wish ends it at once. */
export function waitForStopSignal(killEverything: () => void = () => {}): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let askedMs: number | undefined
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (askedMs !== undefined && performance.now() - askedMs > SAME_WISH_MS) {
          killEverything()
          process.exit(130)
        }
        askedMs ??= performance.now()
        resolve(signal)
      })
    }
  })
}
