/**
 * Loaded into child processes with `--import`: asks the child to stop, as SIGTERM does, when the parent says so or is gone. Signals alone would
 * not do: a parent that is killed cannot send one, and Windows has none. Plain JavaScript, because the child's worker threads
 * load it, too, and do so before TypeScript can be loaded.
 */
import { isMainThread } from 'node:worker_threads'

function stop() {
  if (!process.emit('SIGTERM', 'SIGTERM')) process.exit(0)
}

if (isMainThread && process.channel !== undefined) {
  process.on('message', message => {
    if (message === 'stop') stop()
  })
  process.on('disconnect', stop)
  process.channel.unref()
}
