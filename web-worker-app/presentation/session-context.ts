/** How views reach the session's store: one context, one hook. */
import { createContext, useContext, useSyncExternalStore } from 'react'
import type { SessionCommands, SessionSnapshot, SessionStore } from '../session/session-store.ts'

const SessionContext = createContext<SessionStore | undefined>(undefined)

export const SessionProvider = SessionContext.Provider

function useStore(): SessionStore {
  const store = useContext(SessionContext)
  if (store === undefined) throw new Error('a view is rendered outside <SessionProvider>')
  return store
}

export function useSession(): SessionSnapshot {
  const store = useStore()
  return useSyncExternalStore(store.subscribe, store.getSnapshot)
}

export function useCommands(): SessionCommands {
  return useStore().commands
}
