/** Where the birds of the small picture fly: one per tab, the same place for the same number whenever it is drawn. Pure. */

export interface Bird {
  /** 0…1 of the picture's width and height. */
  readonly x: number
  readonly y: number
  /** Nearer birds are larger: 0.6…1. */
  readonly size: number
}

/** More would be a cloud, not birds; the sentence below the picture has the number. */
export const BIRDS_DRAWN_AT_MOST = 120

const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5))

/** A sunflower arrangement bent along a swoop, so that a flock of any size keeps its shape as tabs come and go. */
export function flockLayout(tabs: number): Bird[] {
  const drawn = Math.min(tabs, BIRDS_DRAWN_AT_MOST)
  const spread = Math.min(1, 0.6 + drawn / 60)
  return Array.from({ length: drawn }, (_, i) => {
    const radius = Math.sqrt((i + 0.5) / Math.max(drawn, 1)) * spread
    const angle = i * GOLDEN_ANGLE
    const across = radius * Math.cos(angle)
    const swoop = 0.28 * Math.sin(across * 2.6)
    return { x: 0.5 + across * 0.44, y: 0.5 + radius * Math.sin(angle) * 0.26 - swoop * 0.5, size: 0.6 + 0.4 * ((i * 7) % 5) / 4 }
  })
}
