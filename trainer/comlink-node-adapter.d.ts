/** comlink ships this module with a declaration file that its own .mjs name does not lead to. */
declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { Endpoint } from 'comlink'
  import type { MessagePort, Worker } from 'node:worker_threads'

  export default function nodeEndpoint(port: MessagePort | Worker): Endpoint
}
