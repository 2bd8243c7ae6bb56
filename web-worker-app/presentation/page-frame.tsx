/** The frame around every view: brand, links between views, state of the connection. */
import type { ReactNode } from 'react'
import type { Connection } from '../session/session-store.ts'
import { BirdMark } from './bird-mark.tsx'
import { runMessages } from './run-messages.ts'
import './base.css'

interface PageFrameProps {
  readonly view: keyof typeof PATHS
  readonly connection: Connection
  readonly children: ReactNode
}

const PATHS = { volunteer: '/', dashboard: '/dashboard', playground: '/playground' } as const

export function PageFrame({ view, connection, children }: PageFrameProps) {
  return (
    <div className={`page page-${view}`}>
      <a className="skip-link" href="#content">
        {runMessages.skipToContent}
      </a>
      <header className="site-header">
        <span className="brand">
          <BirdMark />
          {runMessages.productName}
        </span>
        <nav aria-label={runMessages.views.navigation}>
          {(['volunteer', 'dashboard', 'playground'] as const).map(target => (
            <a key={target} href={PATHS[target]} aria-current={target === view ? 'page' : undefined}>
              {runMessages.views[target]}
            </a>
          ))}
        </nav>
        <span className="connection" data-connection={connection} role="status">
          {runMessages.connection[connection]}
        </span>
      </header>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  )
}
