/** One volunteering tab under virtual time, and short ways to say what it is told, for its tests. */
import type { Batch } from '../coordination/lease-queue.ts'
import { stepVolunteer } from '../coordination/volunteer.ts'
import { createVolunteer, type AnnouncedVersion, type FinishedRollout, type VolunteerEffect, type VolunteerInput } from '../coordination/volunteer-state.ts'
import type { Lease } from '../protocol/lease.ts'
import type { Rollout } from '../protocol/rollout.ts'

export const ROWS = 8
export const RUN = 'run'
export const WHOLE = { start: 0, end: 4 }

export const announced = (version: number, content = 0): AnnouncedVersion => ({ version, manifestHash: `${version}${content}`.padStart(64, '0') })

export function leaseOf(id: string, version: number, samples: number, { prompts = 1, firstPrompt = 0, durationMs = 60_000, content = 0 } = {}): Lease {
  return {
    id,
    run: RUN,
    version,
    manifestHash: announced(version, content).manifestHash,
    maxTokens: 8,
    durationMs,
    prompts: Array.from({ length: prompts }, (_, prompt) => ({ prompt: firstPrompt + prompt, tokens: [1], samples: Array.from({ length: samples }, (_, index) => ({ index, seed: 'f'.repeat(64) })) }))
  }
}

export function rolloutsOf(batch: Batch): FinishedRollout[] {
  return batch.prompts.flatMap(({ lease, prompt, samples }) =>
    samples.map(({ index, seed }): FinishedRollout => {
      const rollout: Rollout = { id: `${prompt}/${index}`, version: batch.version, manifestHash: batch.manifestHash, prompt, index, seed, tokens: [3], logProbs: [-1], finish: 'length' }
      return { lease, rollout }
    })
  )
}

/** A tab with a page that does at once what it is told, except what the test holds back. */
export class Tab {
  readonly state = createVolunteer()
  readonly effects: VolunteerEffect[] = []
  now = 0

  step(input: VolunteerInput): VolunteerEffect[] {
    const effects = stepVolunteer(this.state, input, { now: this.now })
    this.effects.push(...effects)
    return effects
  }

  kinds(input: VolunteerInput): string[] {
    return this.step(input).map(({ kind }) => kind)
  }

  last<Kind extends VolunteerEffect['kind']>(kind: Kind): Extract<VolunteerEffect, { kind: Kind }> | undefined {
    return this.effects.findLast((effect): effect is Extract<VolunteerEffect, { kind: Kind }> => effect.kind === kind)
  }

  all<Kind extends VolunteerEffect['kind']>(kind: Kind): Extract<VolunteerEffect, { kind: Kind }>[] {
    return this.effects.filter((effect): effect is Extract<VolunteerEffect, { kind: Kind }> => effect.kind === kind)
  }

  /** Up to asking for work of `newest`. */
  static working(newest = 0): Tab {
    const tab = new Tab()
    tab.step({ kind: 'connected' })
    tab.step({ kind: 'start' })
    tab.step({ kind: 'welcome', run: RUN, base: announced(0), newest: announced(newest) })
    tab.step({ kind: 'slice_assigned', layers: WHOLE })
    tab.step({ kind: 'version_ready', ...announced(0) })
    if (newest > 0) tab.step({ kind: 'version_ready', ...announced(newest) })
    tab.step({ kind: 'engine_ready', rows: ROWS })
    tab.openPipeline()
    return tab
  }

  /** As the server does for a tab that has the whole model: of one stage. */
  openPipeline(versions = [0, 1, 2, 3, 4]): VolunteerEffect[] {
    return [...this.step({ kind: 'place_assigned', stage: 0, rows: ROWS }), ...this.step({ kind: 'pipeline_open', versions })]
  }

  finish(batch: Batch): void {
    this.step({ kind: 'rollouts_finished', batch: batch.id, rollouts: rolloutsOf(batch) })
    this.step({ kind: 'batch_ended', batch: batch.id })
  }
}
