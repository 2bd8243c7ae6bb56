import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, expect, inject, test } from 'vitest'
import { LoopbackClient, TOKEN } from './testing/loopback.ts'

const started: ChildProcess[] = []

afterEach(() => {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
})

function run(flags: readonly string[], token: string | undefined = TOKEN, apiKeys = '') {
  const { MURMURATION_TRAINER_TOKEN: _, ...rest } = process.env
  const env = { ...rest, MURMURATION_API_KEYS: apiKeys }
  const child = spawn(process.execPath, [join(inject('parts'), 'signaling-server/main.js'), ...flags], { env: { ...env, ...(token !== '' && { MURMURATION_TRAINER_TOKEN: token }) } })
  started.push(child)
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', data => (output.stdout += String(data)))
  child.stderr.on('data', data => (output.stderr += String(data)))
  return { child, output, exit: once(child, 'close').then(([code]: unknown[]) => code) }
}

test('says where it listens, says bye on SIGTERM and exits with 0', async () => {
  const { child, output, exit } = run(['--port', '0'])
  await once(child.stdout, 'data')
  const { event, url } = JSON.parse(output.stdout) as { event: string; url: string }
  expect([event, (await fetch(`${url}/health`)).status]).toEqual(['listening', 200])
  const page = new LoopbackClient(url, { role: 'volunteer' })
  await page.until('connect')

  const second = run(['--port', new URL(url).port])
  expect(await second.exit).toBe(2)
  expect(second.output.stderr).toBe(
    `signaling-server: port ${new URL(url).port} on 127.0.0.1 is in use: stop what listens there, choose another with --port, or let --port 0 take a free one\n`
  )

  child.kill('SIGTERM')
  expect(await page.hear('bye')).toEqual({ retryAfterMs: expect.any(Number) })
  expect(await exit).toBe(0)
  page.socket.disconnect()
})

test.each<[string, string[], string, RegExp]>([
  ['no trainer token', ['--port', '0'], '', /^signaling-server: MURMURATION_TRAINER_TOKEN must be set to a secret of at least 16 characters[^\n]*\n$/],
  ['a port that is none', ['--port', 'http'], TOKEN, /^error: option '--port <number>' argument 'http' is invalid\. a port is a number from 0 to 65535\n$/],
  ['an unknown flag', ['--prot', '0'], TOKEN, /^error: unknown option '--prot'\n.*\n?$/],
  ['TURN without its secret', ['--port', '0', '--turn', 'turn:t.example'], TOKEN, /^signaling-server: --turn needs --turn-secret-file[^\n]*\n$/],
  ['a number of proxies that is none', ['--port', '0', '--proxies', 'all'], TOKEN, /^error: option '--proxies <number>' argument 'all' is invalid\. a number of proxies is from 0 to 9\n$/],
  ['a secret that cannot be read', ['--port', '0', '--turn', 'turn:t.example', '--turn-secret-file', '/nowhere/secret'], TOKEN, /^signaling-server: --turn-secret-file: \/nowhere\/secret cannot be read \(ENOENT\)[^\n]*\n$/],
  ['a Redis that is none', ['--port', '0', '--redis', 'localhost:6379'], TOKEN, /^error: option '--redis <url>' argument 'localhost:6379' is invalid\. an address of Redis is redis:\/\/HOST:PORT[^\n]*\n$/],
  ['a Redis that nobody runs', ['--port', '0', '--redis', 'redis://user:secret@127.0.0.1:1'], TOKEN, /^signaling-server: --redis: redis:\/\/127\.0\.0\.1:1 cannot be used \(connect ECONNREFUSED 127\.0\.0\.1:1\): start Redis there, or name another\n$/],
  ['every address and none to reach it by', ['--port', '0', '--host', '0.0.0.0', '--redis', 'redis://127.0.0.1'], TOKEN, /^signaling-server: --redis with --host 0\.0\.0\.0 needs --advertise[^\n]*\n$/],
  ['an address of another machine', ['--port', '0', '--host', '192.0.2.1'], TOKEN, /^signaling-server: 192\.0\.2\.1 is not an address of this machine[^\n]*\n$/]
])('%s is one clear line and exit code 2', async (_, flags, token, line) => {
  const { output, exit } = run(flags, token)
  expect(await exit).toBe(2)
  expect(output.stderr).toMatch(line)
  expect(output.stdout).toBe('')
})

test('keys of the API are read from the environment, and none may be short', async () => {
  const { child, output, exit } = run(['--port', '0'], TOKEN, 'a-key-of-sixteen-or-more, another-key-of-sixteen')
  await once(child.stdout, 'data')
  const { url } = JSON.parse(output.stdout) as { url: string }
  const asked = ['', 'Bearer a-key-of-sixteen-or-more', 'Bearer another-key-of-sixteen', 'Bearer a-key-of-sixteen-or-more, another-key-of-sixteen']
  const answers = await Promise.all(asked.map(async authorization => (await fetch(`${url}/v1/models`, { headers: { authorization } })).status))
  expect(answers).toEqual([401, 200, 200, 401])
  expect((await fetch(`${url}/health`)).headers.get('keep-alive')).toBe('timeout=65')
  child.kill('SIGTERM')
  expect(await exit).toBe(0)

  const short = run(['--port', '0'], TOKEN, 'a-key-of-sixteen-or-more,short')
  expect(await short.exit).toBe(2)
  expect(short.output.stderr).toBe('signaling-server: every key in MURMURATION_API_KEYS must have at least 16 characters\n')
})
