import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CARDS, parseCards, rankOf, suitOf, type Card } from './cards.ts'
import { HAND_CATEGORIES, handCategory, handRank, type HandCategory } from './hand-rank.ts'
import { runs } from '../../testing/property-runs.ts'

/** Of five-card hands; C(52, 5) in all. Counts and the number of classes: Cactus Kev's and every textbook's table. */
const KNOWN: Readonly<Record<HandCategory, { hands: number; classes: number }>> = {
  'high card': { hands: 1_302_540, classes: 1_277 },
  pair: { hands: 1_098_240, classes: 2_860 },
  'two pair': { hands: 123_552, classes: 858 },
  'three of a kind': { hands: 54_912, classes: 858 },
  straight: { hands: 10_200, classes: 10 },
  flush: { hands: 5_108, classes: 1_277 },
  'full house': { hands: 3_744, classes: 156 },
  'four of a kind': { hands: 624, classes: 156 },
  'straight flush': { hands: 40, classes: 10 }
}

const cards = (count: number): fc.Arbitrary<Card[]> => fc.shuffledSubarray(Array.from({ length: CARDS }, (_, card) => card), { minLength: count, maxLength: count })
const hand = (text: string): Card[] => parseCards(text)!

/** The order of five-card hands as a person reads it from the rules: groups of equal ranks, largest first. No bits. */
function readFive(five: readonly Card[]): number[] {
  const ranks = five.map(rankOf).toSorted((a, b) => b - a)
  const groups = [...new Set(ranks)].map(rank => ({ rank, size: ranks.filter(other => other === rank).length })).toSorted((a, b) => b.size - a.size || b.rank - a.rank)
  const shape = groups.map(({ size }) => size).join('')
  const wheel = ranks.join() === '12,3,2,1,0'
  const straight = wheel || (shape === '11111' && ranks[0] === ranks[4]! + 4)
  const flush = new Set(five.map(suitOf)).size === 1
  const byShape: Readonly<Record<string, number>> = { '11111': 0, '2111': 1, '221': 2, '311': 3, '32': 6, '41': 7 }
  const category = straight && flush ? 8 : flush ? 5 : straight ? 4 : byShape[shape]!
  return [category, ...(wheel ? [3] : groups.map(({ rank }) => rank))]
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) {
    if (value !== right[index]) return Math.sign(value - right[index]!)
  }
  return 0
}

function bestOfAllFives(seven: readonly Card[]): number[] {
  let best: number[] = [-1]
  for (let first = 0; first < seven.length; first++) {
    for (let second = first + 1; second < seven.length; second++) {
      const five = readFive(seven.filter((_, index) => index !== first && index !== second))
      if (compare(five, best) > 0) best = five
    }
  }
  return best
}

describe('handRank', () => {
  test('finds the known number of hands and of classes of each kind among all 2,598,960', () => {
    const hands = HAND_CATEGORIES.map(() => 0)
    const classes = new Set<number>()
    const five = [0, 0, 0, 0, 0]
    for (let a = 0; a < CARDS; a++) {
      for (let b = a + 1; b < CARDS; b++) {
        for (let c = b + 1; c < CARDS; c++) {
          for (let d = c + 1; d < CARDS; d++) {
            for (let e = d + 1; e < CARDS; e++) {
              five[0] = a
              five[1] = b
              five[2] = c
              five[3] = d
              five[4] = e
              const rank = handRank(five)
              hands[rank >> 26]!++
              classes.add(rank)
            }
          }
        }
      }
    }
    const found = Object.fromEntries(
      HAND_CATEGORIES.map((category, index) => [category, { hands: hands[index]!, classes: [...classes].filter(rank => handCategory(rank) === category).length }])
    )
    expect(found).toEqual(KNOWN)
  })

  test('orders any two hands of seven cards as their best fives are ordered by the rules', () => {
    fc.assert(
      // One board for both, as at the table: ties and near ties are then common.
      fc.property(cards(9), nine => {
        const left = nine.slice(0, 7)
        const right = nine.slice(2)
        expect(Math.sign(handRank(left) - handRank(right))).toBe(compare(bestOfAllFives(left), bestOfAllFives(right)))
      }),
      runs(250)
    )
  })

  test('orders hands of few ranks and suits, where the rare kinds are', () => {
    const narrow = (lowest: number, suits: number): fc.Arbitrary<Card[]> =>
      fc.shuffledSubarray(Array.from({ length: CARDS }, (_, card) => card).filter(card => rankOf(card) >= lowest && suitOf(card) < suits), { minLength: 9, maxLength: 9 })
    fc.assert(
      fc.property(fc.oneof(narrow(9, 4), narrow(6, 2), narrow(4, 1)), nine => {
        const left = nine.slice(0, 7)
        const right = nine.slice(2)
        expect(handCategory(handRank(left))).toBe(HAND_CATEGORIES[bestOfAllFives(left)[0]!])
        expect(Math.sign(handRank(left) - handRank(right))).toBe(compare(bestOfAllFives(left), bestOfAllFives(right)))
      }),
      runs(250)
    )
  })

  test.each([
    ['AsKsQsJsTs2c3d', 'KsQsJsTs9s2c3d'],
    ['2c3c4c5c6c', 'Ac2c3c4c5c'],
    ['Ac2d3h4s5cKdQh', 'AcAdKhQs9c7d2h'],
    ['2c2d2h2s3c', 'AcAdAhKsKc'],
    ['AcAdAhKsKcKd2h', 'AcAdAhQsQcKd2h'],
    ['AcAdKhKsQcQd2h', 'AcAdKhKsJcJd2h']
  ])('%s beats %s', (better, worse) => {
    expect(handRank(hand(better))).toBeGreaterThan(handRank(hand(worse)))
  })

  test('splits when the board plays', () => {
    expect(handRank(hand('2c3dAsKsQsJsTs'))).toBe(handRank(hand('4h4dAsKsQsJsTs')))
  })
})
