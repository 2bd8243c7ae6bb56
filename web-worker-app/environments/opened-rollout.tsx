import { Component, useEffect, useRef, type ReactNode } from 'react'
import { EpisodeText } from './episode-text.tsx'
import { viewRollout } from './rollout-viewers.tsx'
import type { ShownEpisode } from '../session/shown-episode.ts'
import { viewerMessages as text } from './viewer-messages.ts'
import './opened-rollout.css'

/** A viewer that throws is a bug, but must not take the page with it. */
class ErrorBoundary extends Component<{ readonly instead: ReactNode; readonly children: ReactNode }, { readonly failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError(): { readonly failed: boolean } {
    return { failed: true }
  }

  override render(): ReactNode {
    return this.state.failed ? this.props.instead : this.props.children
  }
}

/** As people think of it where the texts can be read so, and as text in any case. */
function Episode({ task, episode }: { readonly task: string; readonly episode: ShownEpisode }) {
  const shown = viewRollout(task, episode)
  if (shown === undefined) return <EpisodeText turns={episode.turns} />
  return (
    <>
      {shown}
      <details>
        <summary>{text.asText}</summary>
        <EpisodeText turns={episode.turns} />
      </details>
    </>
  )
}

interface OpenedRolloutProps {
  readonly id: string
  readonly task: string
  readonly episode: ShownEpisode
  /** One line about what became of it. */
  readonly facts: ReactNode
  readonly onClose: () => void
}

/** One rollout, large, until it is closed: a run goes on, and its list of the latest ones with it. */
export function OpenedRollout({ id, task, episode, facts, onClose }: OpenedRolloutProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  const opener = useRef<Element | null>(null)
  useEffect(() => {
    opener.current ??= document.activeElement
    heading.current?.focus()
  }, [])
  const close = (): void => {
    onClose()
    if (opener.current instanceof HTMLElement) opener.current.focus()
  }
  return (
    <section className="opened-rollout" aria-labelledby="opened-rollout" data-opened={id}>
      <div className="opened-head">
        <h3 id="opened-rollout" ref={heading} tabIndex={-1}>
          {text.title(id)}
        </h3>
        <button type="button" className="small" onClick={close}>
          {text.close}
        </button>
      </div>
      <ErrorBoundary instead={<EpisodeText turns={episode.turns} />}>
        <Episode task={task} episode={episode} />
      </ErrorBoundary>
      {facts}
    </section>
  )
}
