import { loosePassive } from './loose-passive.ts'
import type { Player } from './player.ts'
import { callingStation, maniac, randomPlayer } from './simple-players.ts'
import { tightAggressive } from './tight-aggressive.ts'

export const PLAYER_NAMES = ['random', 'calling-station', 'loose-passive', 'maniac', 'tight-aggressive'] as const
export type PlayerName = (typeof PLAYER_NAMES)[number]

export const PLAYERS: Readonly<Record<PlayerName, Player>> = {
  random: randomPlayer,
  'calling-station': callingStation,
  'loose-passive': loosePassive,
  maniac,
  'tight-aggressive': tightAggressive
}
