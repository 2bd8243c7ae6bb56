import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { openObserverSession, openVolunteerSession } from './session/open-session.ts'
import { readPageOptions } from './session/page-options.ts'

const options = readPageOptions(location.search)
const watches = /^\/dashboard\/?$/.test(location.pathname)
const store = watches ? openObserverSession(options) : openVolunteerSession(options)

createRoot(document.getElementById('root')!).render(<App store={store} path={location.pathname} />)
