/** A worker thread does not inherit the TypeScript loader of its parent in every way of starting Node, so it registers its own. */
import { workerData } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

register()
await import(workerData.module)
