import type { PageOptions } from './page-options.ts'
import { ServerConnection } from './server-connection.ts'
import { createSnapshotCell, type SessionStore, type SnapshotCell } from './session-store.ts'
import { VolunteerSession } from './volunteer-session.ts'

const nothing = (): void => {}

/** The page of somebody who watches: it never joins, and its commands do nothing. */
export function openObserverSession({ run }: PageOptions): SessionStore {
  const cell = createSnapshotCell()
  const server = new ServerConnection({ role: 'observer', ...(run !== undefined && { run }) }, {
    connection: connection => cell.update({ connection }),
    run_described: description => cell.update({ description }),
    run_feed: feed => cell.update({ feed }),
    layer_coverage: coverage => cell.update({ coverage }),
    policy_announced: nothing,
    lease_granted: nothing,
    introduction: nothing,
    peer_gone: nothing,
    signal: nothing,
    refused: nothing
  })
  server.connect()
  return storeOf(cell, { start: nothing, pause: nothing, resume: nothing, stop: nothing })
}

/** The page of somebody who may help. Nothing starts before `start`, or before the page is there with `?autostart=1` in a browser that a program drives. */
export function openVolunteerSession(options: PageOptions): SessionStore {
  const cell = createSnapshotCell()
  const session = new VolunteerSession(options, cell)
  addEventListener('pagehide', () => session.leavePage())
  // In a browser that a person drives, no link may take their consent for granted.
  if (options.autostart && navigator.webdriver) session.start()
  return storeOf(cell, {
    start: () => session.start(),
    pause: () => session.dispatch({ kind: 'pause' }),
    resume: () => session.dispatch({ kind: 'resume' }),
    stop: () => session.dispatch({ kind: 'stop' })
  })
}

function storeOf({ subscribe, getSnapshot }: SnapshotCell, commands: SessionStore['commands']): SessionStore {
  return { subscribe, getSnapshot, commands }
}
