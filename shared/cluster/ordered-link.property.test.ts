import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { runs } from '../testing/property-runs.ts'
import { createOrderedLink, LINK_LIMITS, numberMail, owesConfirmation, takeMail, type MailNumbers } from './ordered-link.ts'

interface Mail {
  readonly numbers: MailNumbers
  readonly content: number
}

test('what is taken is what was sent, in order, once; a loss is seen as soon as anything comes after it', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('send', 'send', 'deliver', 'again', 'lose'), { maxLength: 200 }), steps => {
      const [sender, receiver] = [createOrderedLink(), createOrderedLink()]
      const way: Mail[] = []
      const delivered: Mail[] = []
      const taken: number[] = []
      const outcomes: string[] = []
      const expected: string[] = []
      let content = 0
      let lost = false
      for (const step of steps) {
        if (step === 'send') way.push({ numbers: numberMail(sender, 10)!, content: ++content })
        else if (step === 'lose') lost = way.shift() !== undefined || lost
        else {
          const mail = step === 'deliver' ? way.shift() : delivered[0]
          if (mail === undefined) continue
          expected.push(step === 'again' ? 'known' : lost ? 'lost' : 'next')
          const outcome = takeMail(receiver, mail.numbers, 10)
          outcomes.push(outcome)
          if (outcome === 'lost') break
          if (outcome === 'known') continue
          delivered.push(mail)
          taken.push(mail.content)
        }
      }
      expect(outcomes).toEqual(expected)
      expect(taken).toEqual(taken.map((_, index) => index + 1))
    }),
    runs(200)
  )
})

test('what is not confirmed is bounded, and confirmations come before the room is used up', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 8 * 1024 * 1024 }), { minLength: 1, maxLength: 300 }), sizes => {
      const [sender, receiver] = [createOrderedLink(), createOrderedLink()]
      for (const bytes of sizes) {
        const numbers = numberMail(sender, bytes)
        expect(numbers).toBeDefined()
        expect(takeMail(receiver, numbers!, bytes)).toBe('next')
        if (owesConfirmation(receiver)) takeMail(sender, numberMail(receiver, 1)!, 1)
        expect(sender.unconfirmedBytes).toBe(sender.unconfirmed.reduce((sum, mail) => sum + mail.bytes, 0))
      }
    }),
    runs(50)
  )
  const silent = createOrderedLink()
  let sent = 0
  while (numberMail(silent, LINK_LIMITS.bytes / 16) !== undefined) sent++
  expect(sent).toBe(16)
  const many = createOrderedLink()
  while (numberMail(many, 1) !== undefined) sent++
  expect(sent).toBe(16 + LINK_LIMITS.mails)
})
