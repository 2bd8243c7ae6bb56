/** `RUN@VERSION` names one kept version of a run, `RUN` its newest that can be served. */
import type { PolicyVersion } from '#shared/protocol/identifiers.ts'
import type { ServedRun } from '../../serving-port.ts'

export interface NamedModel {
  readonly run: ServedRun
  readonly version: PolicyVersion
}

/** @returns undefined when there is no such run, or it does not keep the version */
export function findModel(runs: readonly ServedRun[], name: string): NamedModel | undefined {
  const [, id, digits] = /^([^@]+)(?:@(0|[1-9]\d*))?$/.exec(name) ?? []
  const run = runs.find(({ run }) => run === id)
  if (run === undefined) return undefined
  const version = digits === undefined ? run.newest : Number(digits)
  return run.versions.includes(version) ? { run, version } : undefined
}

export function modelName({ run, version }: NamedModel): string {
  return `${run.run}@${version}`
}

/** Newest runs first; of each, its name alone, then its versions, newest first. */
export function listModels(runs: readonly ServedRun[]): object[] {
  return runs.toReversed().flatMap(run => [
    describeModel(run.run, { run, version: run.newest }),
    ...run.versions.toSorted((left, right) => right - left).map(version => describeModel(modelName({ run, version }), { run, version }))
  ])
}

/** `root`: what the name stands for at the moment. */
export function describeModel(id: string, model: NamedModel): object {
  const { created, config } = model.run
  return { id, object: 'model', created, owned_by: 'murmuration', root: modelName(model), max_model_len: config.contextLength }
}
