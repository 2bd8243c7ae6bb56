/** Listens on a tab's socket for the rollouts whose acceptance it was told. */
import type { SubmissionAnswer } from '#shared/protocol/volunteer-messages.ts'
import type { RolloutSubmission } from '#shared/protocol/rollout.ts'
import type { Page } from 'playwright-core'

/** `id@version` of every rollout that any watched tab was told is accepted. */
export class Acknowledgements {
  readonly accepted = new Set<string>()

  /** Call before the page is loaded. */
  watch(page: Page): void {
    page.on('websocket', socket => {
      const versions = new Map<string, Map<string, number>>()
      socket.on('framesent', ({ payload }) => {
        const sent = /^42(\d+)(\["rollouts_submitted",.*)$/s.exec(String(payload))
        if (sent === null) return
        const [, submission] = JSON.parse(sent[2]!) as [string, RolloutSubmission]
        versions.set(sent[1]!, new Map(submission.rollouts.map(({ id, version }) => [id, version])))
      })
      socket.on('framereceived', ({ payload }) => {
        const received = /^43(\d+)(\[.*\])$/s.exec(String(payload))
        const asked = received === null ? undefined : versions.get(received[1]!)
        if (received === null || asked === undefined) return
        const [answer] = JSON.parse(received[2]!) as [SubmissionAnswer]
        if (answer.kind !== 'verdicts') return
        for (const { id, outcome } of answer.verdicts) if (outcome === 'accepted') this.accepted.add(`${id}@${asked.get(id)}`)
      })
    })
  }
}
