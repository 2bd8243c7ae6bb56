import type { SessionCommands } from '../session/session-store.ts'
import { messages } from './messages.ts'
import type { StartOffer, VolunteerView } from './view-model.ts'

function StartButton({ start, commands }: { readonly start: StartOffer; readonly commands: SessionCommands }) {
  return (
    <div className="start">
      <button
        type="button"
        className="primary"
        data-command={start.action}
        disabled={!start.enabled}
        onClick={() => (start.action === 'reload' ? window.location.reload() : commands.start())}
      >
        <span className="primary-label">{start.label}</span>
        {start.consequence !== null && <span className="primary-note">{start.consequence}</span>}
      </button>
      {start.note !== null && <p className={start.trouble ? 'start-note notice' : 'start-note'}>{start.note}</p>}
    </div>
  )
}

/** The state of this tab with its reason, and the buttons that change it. */
export function TabControls({ view, commands }: { readonly view: VolunteerView; readonly commands: SessionCommands }) {
  const { status, start, controls, download } = view
  return (
    <section className="card tab-controls" data-mood={status.mood} aria-labelledby="your-tab">
      <h2 id="your-tab" className="card-title">
        {messages.controls.title}
      </h2>
      <div role="status" className="tab-status" data-state={status.state} data-reason={status.reason ?? undefined}>
        <p className="tab-headline">{status.headline}</p>
        <p>{status.explanation}</p>
        {status.detail !== null && <p className="detail">{status.detail}</p>}
      </div>
      {download !== null && (
        <div className="download">
          <progress aria-label={messages.download.label} value={download.fraction} max={1} />
          <span>{download.text}</span>
        </div>
      )}
      {start !== null && <StartButton start={start} commands={commands} />}
      {controls.length > 0 && (
        <div className="buttons">
          {controls.map(command => (
            <button key={command} type="button" data-command={command} className={command === 'resume' ? 'accent' : ''} onClick={() => commands[command]()}>
              {messages.controls[command]}
            </button>
          ))}
        </div>
      )}
    </section>
  )
}
