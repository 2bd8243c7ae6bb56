import { useSyncExternalStore } from 'react'

const query = () => window.matchMedia('(prefers-color-scheme: dark)')

/** Canvases do not restyle themselves: whoever draws on one draws anew when this changes. */
export function useDarkScheme(): boolean {
  return useSyncExternalStore(
    listener => {
      const media = query()
      media.addEventListener('change', listener)
      return () => media.removeEventListener('change', listener)
    },
    () => query().matches
  )
}
