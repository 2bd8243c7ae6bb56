import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { WrongAddress } from './presentation/wrong-address.tsx'
import { openObserverSession, openVolunteerSession } from './session/open-session.ts'
import { readPageOptions } from './session/page-options.ts'

const root = createRoot(document.getElementById('root')!)
const options = readPageOptions(location.search)
if (typeof options === 'string') {
  root.render(<WrongAddress fault={options} path={location.pathname} />)
} else {
  const watches = /^\/(dashboard|playground)\/?$/.test(location.pathname)
  const store = watches ? openObserverSession(options) : openVolunteerSession(options)
  root.render(<App store={store} path={location.pathname} />)
}
