import type { ProfileReport } from '#shared/protocol/profile-report.ts'
import { createDeviceProfile, observeSample, reportProfile, type DeviceProfile, type ProfileSample } from '#shared/scheduling/device-profile.ts'
import type { MemoryBudget } from '#shared/scheduling/memory-budget.ts'
import type { StepMeasured } from '../worker/stage-loop.ts'

const REPORT_MS = 1_000

/** What this tab has measured of itself and its links; told when it has changed, at most once a second. */
export class SelfProfile {
  readonly #tell: (report: ProfileReport) => void
  readonly #now: () => number
  #profile: DeviceProfile | undefined
  #layers = 0
  /** Links outlive engines. */
  #roundTrips: Extract<ProfileSample, { kind: 'round_trip' }>[] = []
  #toldAt = -REPORT_MS

  constructor(tell: (report: ProfileReport) => void, now: () => number) {
    this.#tell = tell
    this.#now = now
  }

  /**
   * @param layers of the slice that it computes
   * @param measured before there was any work
   */
  engineLoaded(engine: ProfileReport['engine'], memory: MemoryBudget, layers: number, measured: readonly StepMeasured[]): void {
    this.#profile = createDeviceProfile(engine, memory)
    this.#layers = layers
    for (const sample of this.#roundTrips) observeSample(this.#profile, sample, this.#now())
    this.#roundTrips = []
    this.steps(measured)
  }

  steps(steps: readonly StepMeasured[]): void {
    this.#observe(steps.map(step => ({ ...step, layers: this.#layers })))
  }

  roundTrip(peer: string, ms: number): void {
    if (this.#profile === undefined) this.#roundTrips.push({ kind: 'round_trip', peer, ms })
    else this.#observe([{ kind: 'round_trip', peer, ms }])
  }

  /** @param bytes that left in so many milliseconds, while there were always more */
  uploaded(bytes: number, ms: number): void {
    this.#observe([{ kind: 'upload', bytes, ms }])
  }

  linkGone(peer: string): void {
    this.#roundTrips = this.#roundTrips.filter(sample => sample.peer !== peer)
    this.#observe([{ kind: 'link_gone', peer }])
  }

  #observe(samples: readonly ProfileSample[]): void {
    if (this.#profile === undefined) return
    const now = this.#now()
    for (const sample of samples) observeSample(this.#profile, sample, now)
    if (now - this.#toldAt < REPORT_MS) return
    const report = reportProfile(this.#profile, now)
    if (report === undefined) return
    this.#toldAt = now
    this.#tell(report)
  }
}
