import { runId } from '#shared/protocol/identifiers.ts'
import { decode } from '#shared/protocol/schema.ts'
import { expect, test } from 'vitest'
import { nameRun } from './run-directory.ts'

test("a run's folder is named after its run file and start, and is a valid run id", () => {
  const now = new Date('2026-02-03T04:05:06.789Z')
  expect(nameRun('trainer/runs/reverse.toml', now, 'a1b2')).toBe('reverse-20260203-040506-a1b2')
  for (const file of ['My Run (2).TOML', '_.toml', `${'x'.repeat(200)}.toml`]) expect(decode(runId, nameRun(file, now, 'a1b2')).kind).toBe('ok')
})
