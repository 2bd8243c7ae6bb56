/**
 * A seat of the two. The button posts the small blind and acts first before the flop, last on every later street
 * (TDA rules 2024, "Heads-up": the dealer button is the small blind).
 */
export type Seat = 0 | 1

export const BUTTON: Seat = 0
export const BIG_BLIND: Seat = 1

/** One value for each seat: the button's, then the big blind's. */
export type Both<T> = readonly [T, T]

export function otherSeat(seat: Seat): Seat {
  return seat === BUTTON ? BIG_BLIND : BUTTON
}

/** The pair with one seat's value replaced. */
export function withSeat<T>(both: Both<T>, seat: Seat, value: T): Both<T> {
  return seat === BUTTON ? [value, both[1]] : [both[0], value]
}
