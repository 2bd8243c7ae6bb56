import type { ReactNode } from 'react'

/** A wide table scrolls inside itself, by keyboard too, and the page never sideways. */
export function ScrollArea({ label, className, children }: { readonly label: string; readonly className?: string; readonly children: ReactNode }) {
  return (
    <div className={`scroll-area ${className ?? ''}`} role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  )
}
