/**
 * The folder of a run: `run.json` (the resolved run file), `secrets.json` (signing key and run secret, readable by the owner
 * alone), `rollouts.sqlite`, `checkpoints/`, a copy of the task's data where it is made of a file, and `report.json` in the end.
 */
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { sha256Hex } from '#shared/crypto/sha256.ts'
import { signingKeyFrom, type SigningKey } from '#shared/crypto/signature.ts'
import { decode, describeMalformed, v } from '#shared/protocol/schema.ts'
import { readQuestions } from '../question-file.ts'
import { checkRunFile, type RunFileOverrides } from '../run-file.ts'
import type { RunFile } from '../run-file-schema.ts'
import { UserError } from '../user-error.ts'
import { writeDurably } from './durable-file.ts'

const hexKey = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'))
const secrets = v.strictObject({ signingSeed: hexKey, runSecret: hexKey })

export interface RunDirectory {
  readonly path: string
  /** The folder's name, made fit to be a run id. */
  readonly run: string
  readonly runFile: RunFile
  readonly signingKey: SigningKey
  /** Every rollout's seed follows from it. */
  readonly runSecret: Uint8Array
  readonly database: string
  readonly checkpoints: string
}

/** In a run's folder; a run whose data could change under it could not be resumed. */
const DATA_FILE = 'questions.jsonl'

/** @throws {UserError} when there is a run in the folder already, or the task's data cannot be read */
export function createRunDirectory(path: string, runFile: RunFile): RunDirectory {
  if (existsSync(join(path, 'run.json'))) throw new UserError(`${path}: there is a run in this folder; continue it with --resume, or choose another --run-directory`)
  const { environment } = runFile
  if (environment.file !== undefined) readQuestions(environment.file)
  mkdirSync(path, { recursive: true })
  if (environment.file !== undefined) copyFileSync(environment.file, join(path, DATA_FILE))
  const kept: RunFile = environment.file === undefined ? runFile : { ...runFile, environment: { ...environment, file: DATA_FILE } }
  const made = { signingSeed: randomBytes(32).toString('hex'), runSecret: secretFor(runFile.seed) }
  writeDurably(join(path, 'secrets.json'), `${JSON.stringify(made)}\n`, 0o600)
  writeDurably(join(path, 'run.json'), asJson(kept))
  return describe(path, kept, made)
}

/**
 * @param overrides from now on part of the run
 * @throws {UserError} when the folder is not that of a run
 */
export function openRunDirectory(path: string, overrides: RunFileOverrides = {}): RunDirectory {
  const runFile = checkRunFile(readJson(path, 'run.json') as Record<string, unknown>, join(path, 'run.json'), overrides)
  if (overrides.updates !== undefined) writeDurably(join(path, 'run.json'), asJson(runFile))
  const decoded = decode(secrets, readJson(path, 'secrets.json'))
  if (decoded.kind === 'malformed') throw new UserError(describeMalformed(join(path, 'secrets.json'), decoded))
  return describe(path, runFile, decoded.value)
}

/**
 * Follows from the run file's seed, so that equal runs are equal to the bit. Who guesses the seed can foresee the draws of a
 * rollout, but not choose them, and a rollout that is withheld is leased to somebody else with the same seed.
 */
function secretFor(seed: number): string {
  return sha256Hex(new TextEncoder().encode(`murmuration run secret ${seed}`))
}

function describe(path: string, runFile: RunFile, { signingSeed, runSecret }: v.InferOutput<typeof secrets>): RunDirectory {
  const { environment } = runFile
  return {
    path,
    run: runIdFrom(path),
    runFile: environment.file === undefined ? runFile : { ...runFile, environment: { ...environment, file: resolve(path, environment.file) } },
    signingKey: signingKeyFrom(Buffer.from(signingSeed, 'hex')),
    runSecret: new Uint8Array(Buffer.from(runSecret, 'hex')),
    database: join(path, 'rollouts.sqlite'),
    checkpoints: join(path, 'checkpoints')
  }
}

/** Without what has no effect in the run: whoever reads it back takes it for a contradiction. */
function asJson({ lora, ...others }: RunFile): string {
  return `${JSON.stringify(others.parameters === 'full' ? others : { ...others, lora }, null, 2)}\n`
}

function runIdFrom(path: string): string {
  const name = basename(resolve(path))
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  return name === '' ? 'run' : name.slice(0, 80)
}

function readJson(path: string, file: string): unknown {
  let text: string
  try {
    text = readFileSync(join(path, file), 'utf8')
  } catch (error) {
    throw new UserError(`${join(path, file)}: cannot be read (${(error as NodeJS.ErrnoException).code}); --resume needs the folder of a run`)
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new UserError(`${join(path, file)}: is not JSON; restore it from a copy`)
  }
}
