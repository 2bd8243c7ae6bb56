/** Files that are either there as a whole or not at all, also after a power cut. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export type FileContent = Uint8Array | string

/** Readable by everybody, or, for secrets, by the owner alone. */
export type FileMode = 0o644 | 0o600

/** Writes beside the target, syncs, and renames over it. */
export function writeDurably(path: string, content: FileContent, mode: FileMode = 0o644): void {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`)
  writeSynced(temporary, content, mode)
  renameSync(temporary, path)
  syncFolder(dirname(path))
}

/** The same for a folder with several files; one that exists is replaced. */
export function writeFolderDurably(path: string, files: ReadonlyMap<string, FileContent>): void {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`)
  rmSync(temporary, { recursive: true, force: true })
  mkdirSync(temporary, { recursive: true })
  for (const [name, content] of files) writeSynced(join(temporary, name), content, 0o644)
  syncFolder(temporary)
  rmSync(path, { recursive: true, force: true })
  renameSync(temporary, path)
  syncFolder(dirname(path))
}

function writeSynced(path: string, content: FileContent, mode: FileMode): void {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  const file = openSync(path, 'w', mode)
  try {
    for (let written = 0; written < bytes.byteLength; ) written += writeSync(file, bytes, written)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function syncFolder(path: string): void {
  // Windows cannot open a folder; NTFS journals the rename itself.
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
