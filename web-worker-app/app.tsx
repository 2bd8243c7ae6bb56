/** Which view a path shows. Volunteers do not download the others: the dashboard brings a chart library with it. */
import { lazy, Suspense, type ComponentType } from 'react'
import { SessionProvider } from './presentation/session-context.ts'
import type { SessionStore } from './session/session-store.ts'
import { VolunteerPage } from './volunteer/volunteer-page.tsx'

const DashboardPage = lazy(() => import('./dashboard/dashboard-page.tsx').then(module => ({ default: module.DashboardPage })))

const PlaygroundPage = lazy(() => import('./playground/playground-page.tsx').then(module => ({ default: module.PlaygroundPage })))

const VIEWS: Readonly<Record<string, ComponentType>> = { '/dashboard': DashboardPage, '/playground': PlaygroundPage }

export function App({ store, path }: { readonly store: SessionStore; readonly path: string }) {
  const View = VIEWS[path.replace(/\/+$/, '')] ?? VolunteerPage
  return (
    <SessionProvider value={store}>
      <Suspense>
        <View />
      </Suspense>
    </SessionProvider>
  )
}
