import type { Environment } from '#shared/environments/environment.ts'
import { environmentSpec, openEnvironment } from '#trainer/environment-spec.ts'
import { InvalidArgumentError } from 'commander'

export interface EnvironmentFlags {
  readonly option: Readonly<Record<string, unknown>>
  readonly file?: string
}

/** For commander: `largest=9` and `operations=["+"]` are JSON, `name=text` is text. */
export function collectOption(text: string, before: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (key === undefined) throw new InvalidArgumentError('It must be key=value.')
  return { ...before, [key]: valueOf(value!) }
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** @throws {UserError | EnvironmentError} one line: what is wrong with the name, an option or the data */
export function environmentGiven(name: string, { option, file }: EnvironmentFlags): Environment {
  return openEnvironment(environmentSpec({ environment: { name, options: option, ...(file !== undefined && { file }) } }))
}
