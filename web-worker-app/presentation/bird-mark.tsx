/** One bird, two strokes: the brand, and each tab in the picture of the flock. Drawn around (0, 0), 10 units wide. */
export const BIRD_PATH = 'M-5 1.2Q-1.9-2.6 0 .9Q1.9-2.6 5 1.2'

export function BirdMark() {
  return (
    <svg className="bird-mark" viewBox="-14 -11 28 22" width="28" height="22" aria-hidden="true">
      <path d={BIRD_PATH} transform="translate(1 5) scale(1.1)" />
      <path d={BIRD_PATH} transform="translate(-7 -2) scale(.75)" />
      <path d={BIRD_PATH} transform="translate(7 -5) scale(.75)" />
    </svg>
  )
}
