import { useRef } from 'react'
import type { SessionCommands } from '../session/session-store.ts'
import { messages } from './messages.ts'
import type { StorageView } from './storage-view.ts'

const { storage: words } = messages

function DeleteEverything({ storage, commands }: { readonly storage: StorageView; readonly commands: SessionCommands }) {
  const dialog = useRef<HTMLDialogElement>(null)
  return (
    <>
      <button type="button" data-command="delete-everything" onClick={() => dialog.current?.showModal()}>
        {words.delete}
      </button>
      <dialog ref={dialog} className="card confirm" aria-labelledby="delete-title">
        <h3 id="delete-title">{words.confirm.title}</h3>
        <p>{storage.confirmation}</p>
        <form method="dialog" className="buttons">
          <button type="submit">{words.confirm.no}</button>
          <button type="submit" className="danger" onClick={() => commands.deleteEverything()}>
            {words.confirm.yes}
          </button>
        </form>
      </dialog>
    </>
  )
}

/** What the site keeps in this browser, how much it may, and the way to be rid of it. */
export function StorageCard({ storage, commands }: { readonly storage: StorageView; readonly commands: SessionCommands }) {
  return (
    <section className="card storage" aria-labelledby="storage">
      <h2 id="storage" className="card-title">
        {words.title}
      </h2>
      <div className="stored">
        <svg className="split-bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
          <rect className="split-rest" width="100" height="6" />
          <rect className="split-other" width={storage.usedShare * 100} height="6" />
          <rect className="split-part" width={storage.baseShare * 100} height="6" />
        </svg>
        <p>
          <span data-stored="used">{storage.used}</span>
          <span data-stored="base" className="stored-base">
            {storage.base}
          </span>
        </p>
      </div>
      <div role="status">
        {storage.notice !== null && <p className="notice">{storage.notice}</p>}
        {storage.deletion !== null && <p className="notice calm">{storage.deletion}</p>}
      </div>
      <div className="choices">
        <label>
          {words.cap}{' '}
          <select value={storage.capBytes} disabled={storage.capFixed} onChange={({ target }) => commands.keepAtMost(Number(target.value))}>
            {storage.choices.map(({ bytes, label }) => (
              <option key={bytes} value={bytes}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <DeleteEverything storage={storage} commands={commands} />
      </div>
      <p className="muted">
        {storage.capFixed && words.capFixed} {words.shared} {storage.promise}
      </p>
    </section>
  )
}
