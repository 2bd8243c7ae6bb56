/** Which view a path shows. The dashboard brings a chart library with it, so volunteers do not download it. */
import { lazy, Suspense } from 'react'
import { SessionProvider } from './presentation/session-context.ts'
import type { SessionStore } from './session/session-store.ts'
import { VolunteerPage } from './volunteer/volunteer-page.tsx'

const DashboardPage = lazy(() => import('./dashboard/dashboard-page.tsx').then(module => ({ default: module.DashboardPage })))

export function App({ store, path }: { readonly store: SessionStore; readonly path: string }) {
  return <SessionProvider value={store}>{path.replace(/\/+$/, '') === '/dashboard' ? <Suspense><DashboardPage /></Suspense> : <VolunteerPage />}</SessionProvider>
}
