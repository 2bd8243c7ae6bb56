/** What a volunteer has chosen on this site, kept with the chunks: deleting the one deletes the other. */
import { decode, v } from '#shared/protocol/schema.ts'
import { count } from '#shared/protocol/identifiers.ts'
import { write, type ChunkDatabase, type Writing } from './chunk-database.ts'

const preferences = v.object({ capBytes: v.exactOptional(count), hideAddress: v.exactOptional(v.boolean()) })

/** Absent: never chosen. */
export type Preferences = v.InferOutput<typeof preferences>

/** Enough for a base model and some adapters of the sizes that a WASM tab can run. */
export const DEFAULT_CAP_BYTES = 2_000_000_000

const KEY = 'volunteer'

function read(raw: unknown): Preferences {
  const decoded = decode(preferences, raw ?? {})
  return decoded.kind === 'ok' ? decoded.value : {}
}

export async function readPreferences(database: ChunkDatabase): Promise<Preferences> {
  return read(await database.get('preferences', KEY))
}

export async function preferencesWithin(writing: Writing): Promise<Preferences> {
  return read(await writing.objectStore('preferences').get(KEY))
}

export function changePreferences(database: ChunkDatabase, changed: Preferences): Promise<void> {
  return write(database, async writing => {
    await writing.objectStore('preferences').put({ ...(await preferencesWithin(writing)), ...changed }, KEY)
  })
}
