/** What goes wrong between this tab and those that it gets chunks from, in words for whoever reads the tab's log. */
import { ORIGIN, type Source } from '#shared/dissemination/chunk-assembly.ts'

export type ExchangeFault =
  /** What came from them was wrong; of several, nobody knows whose bytes were. */
  | { readonly kind: 'refused'; readonly sources: readonly Source[]; readonly code: string; readonly hash?: string | undefined }
  | { readonly kind: 'refused_by'; readonly peer: string; readonly code: string }
  | { readonly kind: 'stalled' | 'banned'; readonly peer: string }

/** Somebody stalls whose machine is busy, too. */
export function logFault(fault: ExchangeFault): void {
  if (fault.kind === 'stalled') console.info(describeFault(fault))
  else console.warn(describeFault(fault))
}

export function describeFault(fault: ExchangeFault): string {
  switch (fault.kind) {
    case 'refused': {
      const chunk = fault.hash === undefined ? '' : `, chunk ${fault.hash}`
      return `what came from ${fault.sources.map(nameOf).join(' and ')} was refused: ${fault.code}${chunk}`
    }
    case 'refused_by':
      return `peer ${fault.peer} refused what this tab sent: ${fault.code}`
    case 'stalled':
      return `peer ${fault.peer} has stalled: what it owes is fetched elsewhere`
    case 'banned':
      return `peer ${fault.peer} is banned: it sent wrong bytes again and again`
  }
}

function nameOf(source: Source): string {
  return source === ORIGIN ? 'the server' : `peer ${source}`
}
