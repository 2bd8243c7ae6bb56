import type { SliceEngine } from '#shared/engine/slice-engine.ts'
import { StageFault } from '#shared/pipeline/stage.ts'
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import type { PolicyTensors } from './stage-worker-api.ts'

/** A work may overtake the version that it needs, which its page is putting together. */
const ARRIVAL_MS = 10_000

/** The policy versions that an engine can compute with, and the one that it does. */
export class PolicyVersions {
  readonly #engine: SliceEngine
  readonly #policies = new Map<PolicyVersion, PolicyTensors>()
  readonly #dropped = new Set<PolicyVersion>()
  readonly #arrived = new Set<() => void>()
  #inUse: PolicyTensors | undefined

  constructor(engine: SliceEngine) {
    this.#engine = engine
  }

  has(version: PolicyVersion): boolean {
    return this.#policies.has(version)
  }

  add(version: PolicyVersion, policy: PolicyTensors): void {
    this.#dropped.delete(version)
    this.#policies.set(version, policy)
    for (const resolve of this.#arrived) resolve()
    this.#arrived.clear()
  }

  /** Its tensors stay until `sweep` finds them unused. */
  drop(version: PolicyVersion): void {
    this.#dropped.add(version)
  }

  sweep(uses: (version: PolicyVersion) => boolean): void {
    for (const version of this.#dropped) {
      if (uses(version)) continue
      this.#dropped.delete(version)
      this.#policies.delete(version)
    }
  }

  /** @throws StageFault when the version does not arrive */
  async use(version: PolicyVersion): Promise<void> {
    const policy = this.#policies.get(version) ?? (await this.#arrival(version))
    if (policy === this.#inUse) return
    this.#inUse = policy
    await (policy.kind === 'weights' ? this.#engine.setWeights(policy.tensors) : this.#engine.setAdapter(policy.kind === 'base' ? undefined : policy.tensors))
  }

  async #arrival(version: PolicyVersion): Promise<PolicyTensors> {
    const deadline = performance.now() + ARRIVAL_MS
    while (!this.#policies.has(version)) {
      const left = deadline - performance.now()
      if (left <= 0) throw new StageFault(`version ${version} is not here`)
      await new Promise<void>(resolve => {
        this.#arrived.add(resolve)
        setTimeout(resolve, left)
      })
    }
    return this.#policies.get(version)!
  }
}
