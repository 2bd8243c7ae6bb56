/** What the card about storage shows. Pure. */
import { formatBytes } from '../presentation/format.ts'
import type { SessionSnapshot } from '../session/session-store.ts'
import { messages } from './messages.ts'

export interface StorageView {
  readonly used: string
  readonly base: string
  /** Shares of the cap, 0…1; the second is part of the first. */
  readonly usedShare: number
  readonly baseShare: number
  readonly capBytes: number
  readonly choices: readonly { readonly bytes: number; readonly label: string }[]
  /** The address has chosen. */
  readonly capFixed: boolean
  readonly promise: string | null
  /** Why something is in memory only; null when all is stored. */
  readonly notice: string | null
  readonly deletion: string | null
  readonly confirmation: string
}

const GIGABYTE = 1_000_000_000
const CHOICES = [0, GIGABYTE / 4, GIGABYTE / 2, GIGABYTE, 2 * GIGABYTE, 5 * GIGABYTE, 10 * GIGABYTE, 20 * GIGABYTE]

function noticeOf({ site, volunteer }: SessionSnapshot): string | null {
  const { memoryOnly } = messages.storage
  if (!site.available) return memoryOnly.refused
  if (site.capBytes === 0) return memoryOnly.nothing
  return volunteer.storage === 'kept' ? null : memoryOnly[volunteer.storage]
}

export function storageView(snapshot: SessionSnapshot): StorageView {
  const { storage } = messages
  const { usedBytes, baseBytes, capBytes, capFixed, available, persisted, deletion } = snapshot.site
  const share = (bytes: number): number => (capBytes === 0 ? 0 : Math.min(1, bytes / capBytes))
  const choices = CHOICES.includes(capBytes) ? CHOICES : [...CHOICES, capBytes].toSorted((a, b) => a - b)
  return {
    used: storage.used(formatBytes(usedBytes), formatBytes(capBytes)),
    base: storage.base(formatBytes(baseBytes)),
    usedShare: share(usedBytes),
    baseShare: share(baseBytes),
    capBytes,
    choices: choices.map(bytes => ({ bytes, label: bytes === 0 ? storage.nothing : formatBytes(bytes) })),
    capFixed,
    promise: !available || usedBytes === 0 ? null : persisted ? storage.persisted : storage.notPersisted,
    notice: noticeOf(snapshot),
    deletion: deletion === null ? null : storage.deletion[deletion],
    confirmation: storage.confirm.text(formatBytes(usedBytes))
  }
}
