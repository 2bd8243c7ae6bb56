import type { ShownTurn } from '../session/shown-episode.ts'
import { viewerMessages as text } from './viewer-messages.ts'

/** What the policy read and wrote, as it came. */
export function EpisodeText({ turns }: { readonly turns: readonly ShownTurn[] }) {
  return (
    <div className="rollout-turns">
      {turns.map(({ prompt, completion }, index) => (
        <p key={index} className="rollout-text">
          <span className="visually-hidden">{text.prompt}: </span>
          <span className="prompt">{prompt}</span>
          <span className="visually-hidden"> {text.completion}: </span>
          <span className="completion">{completion}</span>
        </p>
      ))}
    </div>
  )
}
