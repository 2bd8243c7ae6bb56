import { playSeededEpisodes } from './seeded-episodes.ts'

declare global {
  interface Window {
    playSeededEpisodes: typeof playSeededEpisodes
  }
}

window.playSeededEpisodes = playSeededEpisodes
