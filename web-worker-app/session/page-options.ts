import { decode, describeMalformed, v } from '#shared/protocol/schema.ts'
import { ENGINE_KINDS } from '#shared/protocol/peer-status.ts'
import { runId } from '#shared/protocol/identifiers.ts'
import type { EnginePreferences } from '../worker/stage-worker-api.ts'

export interface PageOptions {
  /** Start without a person: for the tabs of `npm start`, which nobody sees. Heeded only in a browser that a program drives. */
  readonly autostart: boolean
  /** The run to help or to watch; absent: the server's newest. */
  readonly run?: string
  readonly engine: EnginePreferences
  /** Bytes that the volunteer lends for weights, adapters, keys and values: a tab with less than the model takes holds some of its layers. */
  readonly memoryBytes: number
  /** The most that this page keeps in the browser's storage; absent: what the volunteer prefers. */
  readonly storageBytes?: number
  /** Links go by a relay, or there are none; absent: as the volunteer prefers. */
  readonly hideAddress?: true
}

const MEGABYTE = 1_000_000
/** A tab of this size disturbs nobody who has many open. */
const DEFAULT_MEGABYTES = 1000

const flag = v.optional(v.picklist(['0', '1']), '0')
const query = v.object({
  autostart: flag,
  run: v.optional(runId),
  engine: v.optional(v.picklist(ENGINE_KINDS)),
  allowSoftwareAdapter: flag,
  threads: v.optional(v.pipe(v.string(), v.regex(/^[1-9]\d?$/), v.transform(Number)), '1'),
  memory: v.optional(v.pipe(v.string(), v.regex(/^[1-9]\d{0,6}$/), v.transform(Number)), String(DEFAULT_MEGABYTES)),
  hideAddress: v.optional(v.literal('1')),
  storage: v.optional(v.pipe(v.string(), v.regex(/^(0|[1-9]\d{0,6})$/), v.transform(Number)))
})

/**
 * Reads the address of the page: `?autostart=1&run=ID&engine=wasm&threads=2&allowSoftwareAdapter=1&memory=512&storage=2000&hideAddress=1`, memory and storage in megabytes.
 * @returns text, one line, where the address is wrong: which parameter must be what
 */
export function readPageOptions(search: string): PageOptions | string {
  const decoded = decode(query, Object.fromEntries(new URLSearchParams(search)))
  if (decoded.kind === 'malformed') return describeMalformed('The page’s address', decoded)
  const { autostart, run, engine, allowSoftwareAdapter, threads, memory, hideAddress, storage } = decoded.value
  return {
    autostart: autostart === '1',
    ...(run !== undefined && { run }),
    engine: { ...(engine !== undefined && { only: engine }), allowSoftwareAdapter: allowSoftwareAdapter === '1', threads },
    memoryBytes: memory * MEGABYTE,
    ...(hideAddress !== undefined && { hideAddress: true }),
    ...(storage !== undefined && { storageBytes: storage * MEGABYTE })
  }
}
