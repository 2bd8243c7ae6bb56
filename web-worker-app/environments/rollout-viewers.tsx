/** How the rollouts of each task are shown: the one place that a new viewer is entered. */
import type { ReactElement } from 'react'
import { POLICY_NAME } from '#shared/environments/holdem/hand-history.ts'
import { readHandHistory } from '#shared/environments/holdem/read-hand-history.ts'
import { BIG_BLIND, BUTTON } from '#shared/environments/holdem/seat.ts'
import { countdownView } from './countdown-view.ts'
import { guessView } from './guess-view.ts'
import { HoldemTable } from './holdem-table.tsx'
import { holdemTableView } from './holdem-table-view.ts'
import { questionView } from './question-view.ts'
import { reverseView } from './reverse-view.ts'
import { viewerMessages } from './viewer-messages.ts'
import type { ShownEpisode } from '../session/shown-episode.ts'
import { SokobanBoard } from './sokoban-board.tsx'
import { sokobanEpisode } from './sokoban-episode.ts'
import { sumView } from './sum-view.ts'
import { WorkedAnswer } from './worked-answer.tsx'
import type { WorkedAnswerView } from './worked-answer-view.ts'

/** @returns undefined where the texts are not what the task would have: they are then shown as they are */
type Viewer = (episode: ShownEpisode) => ReactElement | undefined

const VIEWERS: ReadonlyMap<string, Viewer> = new Map([
  ['arithmetic', worked(sumView)],
  ['countdown', worked(countdownView)],
  ['guess', worked(guessView)],
  ['holdem', hand],
  ['questions', worked(questionView)],
  ['reverse', worked(reverseView)],
  ...['sokoban-tiny', 'sokoban-1', 'sokoban-2'].map(name => [name, board] as const)
])

export function viewRollout(task: string, episode: ShownEpisode): ReactElement | undefined {
  return VIEWERS.get(task)?.(episode)
}

function worked(read: (episode: ShownEpisode) => WorkedAnswerView | undefined): Viewer {
  return episode => {
    const view = read(episode)
    return view && <WorkedAnswer view={view} />
  }
}

function board(episode: ShownEpisode): ReactElement | undefined {
  const shown = sokobanEpisode(episode)
  return shown && <SokobanBoard {...shown} />
}

function hand({ record }: ShownEpisode): ReactElement | undefined {
  const read = record === undefined ? undefined : readHandHistory(record)
  if (read === undefined || !read.players.includes(POLICY_NAME)) return undefined
  const seat = read.players[BUTTON] === POLICY_NAME ? BUTTON : BIG_BLIND
  const opponent = read.players[seat === BUTTON ? BIG_BLIND : BUTTON]
  return <HoldemTable view={holdemTableView(read.hand, seat, { policy: viewerMessages.policy, opponent })} />
}
