import { useEffect, useState } from 'react'
import type { Board } from '#shared/environments/sokoban/board.ts'
import { boardSquares, boardThings, progress, sokobanFrames, type BoardSquare, type BoardThing } from './sokoban-frames.ts'
import { sokobanMessages as text } from './sokoban-messages.ts'
import './sokoban-board.css'

const FRAME_MS = 400

export interface SokobanBoardProps {
  readonly start: Board
  /** The policy's texts, turn by turn. */
  readonly actions: readonly string[]
  readonly movesPerTurn: number
}

function Picture({ board, squares, things, label }: { readonly board: Board; readonly squares: readonly BoardSquare[]; readonly things: readonly BoardThing[]; readonly label: string }) {
  return (
    <svg className="sokoban-picture" viewBox={`0 0 ${board.width} ${board.ground.length / board.width}`} role="img" aria-label={label}>
      {squares.map(({ key, kind, row, column }) =>
        kind === 'wall' ? <rect key={key} className="sokoban-wall" x={column} y={row} width="1" height="1" /> : <circle key={key} className="sokoban-goal" cx={column + 0.5} cy={row + 0.5} r="0.16" />
      )}
      {things.map(({ key, kind, row, column, onGoal }) => (
        <g key={key} className="sokoban-thing" style={{ transform: `translate(${column}px, ${row}px)` }}>
          {kind === 'player' ? <circle className="sokoban-player" cx="0.5" cy="0.5" r="0.32" /> : <rect className="sokoban-box" data-on-goal={onGoal || undefined} x="0.14" y="0.14" width="0.72" height="0.72" rx="0.1" />}
        </g>
      ))}
    </svg>
  )
}

/** A rollout of Sokoban, move by move: by buttons, by a slider that the arrow keys move, or by itself once "Play" is pressed. */
export function SokobanBoard({ start, actions, movesPerTurn }: SokobanBoardProps) {
  const frames = sokobanFrames(start, actions, movesPerTurn)
  const last = frames.length - 1
  const [shown, setShown] = useState(0)
  const [playing, setPlaying] = useState(false)
  const at = Math.min(shown, last)
  const running = playing && at < last

  useEffect(() => {
    if (!running) return
    const timer = setTimeout(() => setShown(at + 1), FRAME_MS)
    return () => clearTimeout(timer)
  }, [running, at])

  const show = (frame: number): void => {
    setPlaying(false)
    setShown(frame)
  }
  const toggle = (): void => {
    if (!running && at === last) setShown(0)
    setPlaying(!running)
  }
  const { board, turn, caption } = frames[at]!
  const place = text.place(turn, at, last)
  return (
    <figure className="sokoban">
      <Picture board={board} squares={boardSquares(board)} things={boardThings(frames)[at]!} label={progress(board)} />
      <figcaption>
        <p aria-live={running ? 'off' : 'polite'}>{caption}</p>
        <p className="muted">
          {place} · {progress(board)}
        </p>
      </figcaption>
      <div className="sokoban-controls" role="group" aria-label={text.controls}>
        <button type="button" className="small" disabled={at === 0} onClick={() => show(at - 1)}>
          {text.back}
        </button>
        <button type="button" className="small" disabled={last === 0} onClick={toggle}>
          {running ? text.pause : text.play}
        </button>
        <button type="button" className="small" disabled={at === last} onClick={() => show(at + 1)}>
          {text.forward}
        </button>
        <input type="range" min={0} max={last} value={at} aria-label={text.position} aria-valuetext={place} onChange={event => show(Number(event.target.value))} />
      </div>
    </figure>
  )
}
