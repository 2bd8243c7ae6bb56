import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FairQueue } from './fair-queue.ts'

/** A queue that notes whose turn it was. */
function observed(places: number): { enter: (name: string, label?: string) => () => void; begun: string[] } {
  const queue = new FairQueue(places)
  const begun: string[] = []
  return { begun, enter: (name, label = name) => queue.enter(name, () => void begun.push(label)) }
}

describe('the queue', () => {
  test('of one name it is first come, first served', () => {
    const { enter, begun } = observed(2)
    const leave = ['first', 'second', 'third', 'fourth'].map(label => enter('ada', label))
    expect(begun).toEqual(['first', 'second'])
    leave[1]!()
    leave[0]!()
    expect(begun).toEqual(['first', 'second', 'third', 'fourth'])
  })

  test('whoever wants many waits for those who want few', () => {
    const { enter, begun } = observed(2)
    const ada = Array.from({ length: 6 }, () => enter('ada'))
    enter('bob')
    enter('cem')
    ada[0]!()
    ada[1]!()
    expect(begun).toEqual(['ada', 'ada', 'bob', 'cem'])
  })

  test('those who have equally many take turns', () => {
    const { enter, begun } = observed(1)
    const leave = ['ada', 'ada', 'ada', 'bob', 'bob', 'cem'].map(name => enter(name))
    for (const place of [0, 3, 5, 1, 4]) leave[place]!()
    expect(begun).toEqual(['ada', 'bob', 'cem', 'ada', 'bob', 'ada'])
  })

  test('who goes away while it waits has no turn, and a place that is given back twice is one place', () => {
    const { enter, begun } = observed(1)
    const [first, second] = [enter('ada'), enter('bob')]
    enter('cem')
    second!()
    first()
    first()
    second!()
    expect(begun).toEqual(['ada', 'cem'])
    enter('dan')
    expect(begun).toEqual(['ada', 'cem'])
  })

  test('who gives its place back in the moment in which it gets it leaves it to the next', () => {
    const queue = new FairQueue(1)
    const begun: number[] = []
    const holder = queue.enter('ada', () => undefined)
    const leave = [0, 1, 2].map(each =>
      queue.enter('bob', () => {
        begun.push(each)
        if (each < 2) leave[each]!()
      })
    )
    holder()
    expect(begun).toEqual([0, 1, 2])
  })
})

test('whatever happens, all places are taken while somebody waits, no more than there are, and the next is one who has the fewest', () => {
  const step = fc.record({ name: fc.constantFrom('a', 'b', 'c'), leaves: fc.option(fc.nat(), { freq: 2 }) })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60, size: 'max' }), (places, steps) => {
      const queue = new FairQueue(places)
      const present: { readonly name: string; placed: boolean; leave: () => void }[] = []
      const placesOf = (name: string): number => present.filter(each => each.placed && each.name === name).length
      let outOfTurn = 0
      for (const { name, leaves } of steps) {
        if (leaves !== null && present.length > 0) {
          const [gone] = present.splice(leaves % present.length, 1)
          gone!.leave()
        } else {
          const added = { name, placed: false, leave: () => {} }
          present.push(added)
          added.leave = queue.enter(name, () => {
            const waiting = present.filter(each => !each.placed).map(each => placesOf(each.name))
            if (placesOf(name) > Math.min(...waiting)) outOfTurn++
            added.placed = true
          })
        }
        expect(present.filter(each => each.placed)).toHaveLength(Math.min(places, present.length))
        expect(outOfTurn).toBe(0)
      }
    })
  )
})
