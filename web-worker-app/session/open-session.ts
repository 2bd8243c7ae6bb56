import { SiteStorage } from '../storage/site-storage.ts'
import type { PageOptions } from './page-options.ts'
import { ServerConnection } from './server-connection.ts'
import { createSnapshotCell, type SessionCommands, type SessionStore, type SnapshotCell } from './session-store.ts'
import { VolunteerSession } from './volunteer-session.ts'

const nothing = (): void => {}
const NO_COMMANDS: SessionCommands = { start: nothing, pause: nothing, resume: nothing, stop: nothing, keepAtMost: nothing, hideAddress: nothing, checkReachability: nothing, deleteEverything: nothing }

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
  return storeOf(cell, NO_COMMANDS)
}

/** The page of somebody who may help. Nothing starts before `start`, or before the page is there with `?autostart=1` in a browser that a program drives. */
export function openVolunteerSession(options: PageOptions): SessionStore {
  const cell = createSnapshotCell()
  const { storageBytes, hideAddress } = options
  const fixed = { ...(storageBytes !== undefined && { capBytes: storageBytes }), ...(hideAddress && { hideAddress }) }
  const site = new SiteStorage(state => cell.update({ site: state }), fixed, (navigator as { readonly storage?: StorageManager }).storage)
  const session = new VolunteerSession(options, cell, async () => (await site.refresh()).hideAddress)
  void site.refresh()
  const checkReachability = async (): Promise<void> => {
    cell.update({ reachability: 'checking' })
    cell.update({ reachability: await session.checkReachability() })
  }
  addEventListener('pagehide', () => session.leavePage())
  // In a browser that a person drives, no link may take their consent for granted.
  if (options.autostart && navigator.webdriver) session.start()
  return storeOf(cell, {
    start: () => {
      session.start()
      void site.persist()
    },
    pause: () => session.dispatch({ kind: 'pause' }),
    resume: () => session.dispatch({ kind: 'resume' }),
    stop: () => session.dispatch({ kind: 'stop' }),
    keepAtMost: capBytes => void site.keepAtMost(capBytes),
    hideAddress: hide => void site.hideAddress(hide),
    checkReachability: () => void checkReachability(),
    deleteEverything: () => {
      session.dispatch({ kind: 'stop' })
      void site.deleteEverything()
    }
  })
}

function storeOf({ subscribe, getSnapshot }: SnapshotCell, commands: SessionStore['commands']): SessionStore {
  return { subscribe, getSnapshot, commands }
}
