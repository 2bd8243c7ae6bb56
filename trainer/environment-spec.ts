/** The environment of a run as data that every thread opens for itself. */
import { EnvironmentError, environmentNamed } from '#shared/environments/environments.ts'
import type { Environment } from '#shared/environments/environment.ts'
import { readQuestions } from './question-file.ts'
import type { RunFile } from './run-file-schema.ts'
import { UserError } from './user-error.ts'

export interface EnvironmentSpec {
  readonly name: string
  /** Data from files included. */
  readonly options: Readonly<Record<string, unknown>>
  /** Of a curriculum: what replaces the options at each level. */
  readonly levels: readonly Readonly<Record<string, unknown>>[]
}

/** The environment that is made of a file. */
const FROM_FILE = 'questions'

/** @throws {UserError} one line about the data file: what and where */
export function environmentSpec({ environment: { name, file, options }, curriculum }: Pick<RunFile, 'environment' | 'curriculum'>): EnvironmentSpec {
  const levels = curriculum?.levels ?? []
  if (file === undefined) return { name, options, levels }
  if (name !== FROM_FILE) throw new UserError(`[environment] file has no effect with name = "${name}"; remove it`)
  return { name, options: { ...options, questions: readQuestions(file) }, levels }
}

/** What is measured. @throws {EnvironmentError} one line: what is wrong with its name or options */
export function openEnvironment({ name, options }: EnvironmentSpec): Environment {
  return environmentNamed(name, options)
}

/** What prompts are drawn from, by level. @throws {EnvironmentError} one line: what is wrong with its name or options, and of which level */
export function openLevels(spec: EnvironmentSpec): Environment[] {
  if (spec.levels.length === 0) return [openEnvironment(spec)]
  return spec.levels.map((replaced, level) => {
    try {
      return environmentNamed(spec.name, { ...spec.options, ...replaced })
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error
      throw new EnvironmentError(`curriculum.levels, the ${level + 1}th: ${error.message}`)
    }
  })
}
