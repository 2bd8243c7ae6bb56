/** Run files: TOML in, a complete configuration out. An unknown key is an error, so that a typo never trains the wrong thing. */
import { readFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { closest } from 'fastest-levenshtein'
import { parse, TomlError, type TomlTable } from 'smol-toml'
import { v } from '#shared/protocol/schema.ts'
import { LIMITS } from '#shared/protocol/limits.ts'
import { runFile, type RunFile } from './run-file-schema.ts'
import { UserError } from './user-error.ts'

/** What the command line may say in place of the run file. */
export interface RunFileOverrides {
  readonly updates?: number
  readonly seed?: number
  readonly mode?: string
  readonly stalenessBudget?: number
}

/**
 * @param path of the run file; relative paths in it are relative to its folder
 * @param edit changes what the file says before it is checked
 * @returns every value given, defaults filled in, paths absolute
 * @throws {UserError} one line with the file's name and the offending line or key
 */
export function readRunFile(path: string, overrides: RunFileOverrides = {}, edit: (content: TomlTable) => void = () => {}): RunFile {
  const content = parseToml(path)
  edit(content)
  const checked = checkRunFile(content, basename(path), overrides)
  const { environment, model } = checked
  const beside = (named: string): string => resolve(dirname(path), named)
  return { ...checked, model: { path: beside(model.path) }, environment: environment.file === undefined ? environment : { ...environment, file: beside(environment.file) } }
}

function parseToml(path: string): TomlTable {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new UserError(`${path}: the run file cannot be read (${(error as NodeJS.ErrnoException).code}); check its name`)
  }
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw new UserError(`${basename(path)}, line ${error.line}: ${error.message.split('\n')[0]?.replace('Invalid TOML document: ', '')}`)
  }
}

/** @param file names the file in errors */
export function checkRunFile(content: Record<string, unknown>, file: string, overrides: RunFileOverrides = {}): RunFile {
  const given = Object.fromEntries(Object.entries(overrides).filter(([, value]) => value !== undefined))
  const parsed = v.safeParse(runFile, { ...content, ...given })
  if (!parsed.success) throw new UserError(`${file}: ${describeIssue(parsed.issues[0])}`)
  const run = parsed.output
  if (run.parameters === 'full' && content['lora'] !== undefined) throw new UserError(`${file}: [lora] has no effect with parameters = "full"; remove one of them`)
  if (run.parameters === 'lora' && run.precision !== 'float32') throw new UserError(`${file}: precision = "${run.precision}" is for parameters = "full": adapters are small, and stay float32`)
  if (run.stop.success !== undefined && run.evaluation.every === 0) throw new UserError(`${file}: [stop] success has no effect without evaluation.every; say every how many updates to evaluate`)
  if (run.curriculum !== undefined && run.curriculum.up <= run.curriculum.down) throw new UserError(`${file}: curriculum.up is ${run.curriculum.up}, but must be above curriculum.down = ${run.curriculum.down}`)
  if (run.batch.rolloutTokens !== undefined && run.batch.rolloutTokens <= run.batch.maxTokens) throw new UserError(`${file}: batch.rolloutTokens is ${run.batch.rolloutTokens}, but must be above batch.maxTokens = ${run.batch.maxTokens}: prompt, actions and observations count`)
  if (run.batch.prompts * run.batch.group > LIMITS.rolloutsPerLease * 64) throw new UserError(`${file}: batch.prompts × batch.group is more than ${LIMITS.rolloutsPerLease * 64} rollouts`)
  return run.mode === 'sequential' ? { ...run, stalenessBudget: 0 } : run
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? ''
  if (issue.type === 'strict_object' && issue.expected === 'never') return `unknown key ${path}${suggestion(path)}`
  if (issue.received === 'undefined') return `${path} is missing; it must be ${issue.expected ?? issue.message}`
  return `${path} is ${issue.received}, but must be ${issue.expected ?? issue.message}`
}

/** Names the key that was probably meant, if one is near. */
function suggestion(path: string): string {
  const keys = path.split('.')
  const unknown = keys.pop() ?? ''
  const known = keysAt(keys)
  const nearest = known.length === 0 ? undefined : closest(unknown, known)
  return nearest === undefined ? '' : `; did you mean ${[...keys, nearest].join('.')}?`
}

function keysAt(path: readonly string[]): string[] {
  let entries: Readonly<Record<string, unknown>> = runFile.entries
  for (const key of path) {
    const inner = unwrapped(entries[key])
    if (inner === undefined) return []
    entries = inner
  }
  return Object.keys(entries)
}

/** The keys of a table's schema, whatever is wrapped around it; of a choice between tables, those of all of them. */
function unwrapped(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined
  if ('entries' in schema) return schema.entries as Record<string, unknown>
  if ('wrapped' in schema) return unwrapped(schema.wrapped)
  if ('options' in schema && Array.isArray(schema.options)) return Object.assign({}, ...schema.options.map(unwrapped)) as Record<string, unknown>
  return undefined
}
