/** An ordinary client library against the real HTTP side; the answers come from the shipped model on onnxruntime. */
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { uniform } from '#shared/verification/committed-randomness.ts'
import { startApiServer, type ApiServer } from '../../testing/api-server.ts'
import { ENGINE_RUN, EngineServingPort } from '../../testing/engine-serving-port.ts'
import type { ServingPort } from '../../serving-port.ts'
import { answerSeed } from './answer-request.ts'

const KEY = 'a-key-of-the-tests-0001'
const MODEL = `${ENGINE_RUN}@0`

let port: EngineServingPort
let endless: EngineServingPort
let server: ApiServer
let client: OpenAI

beforeAll(async () => {
  port = await EngineServingPort.start({ most: 60 })
  endless = await EngineServingPort.start({ endless: true })
})
afterAll(() => Promise.all([port.release(), endless.release()]))

beforeEach(async () => {
  server = await startApiServer(port)
  client = clientOf(server.url)
})
afterEach(async () => {
  port.refusal = undefined
  await server.close()
  // Whatever the test did, nothing stays open.
  await Promise.all([port.untilSequences(0), endless.untilSequences(0)])
})

function clientOf(url: string, apiKey = 'none'): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 })
}

async function withServer(serving: ServingPort, keys: readonly string[], act: (url: string) => Promise<void>): Promise<void> {
  const other = await startApiServer(serving, keys)
  try {
    await act(other.url)
  } finally {
    await other.close()
  }
}

/** [status, code, param] of a request that fails. */
async function failure(request: Promise<unknown>): Promise<[number | undefined, string | null | undefined, string | null | undefined]> {
  const error = await request.then(
    () => expect.unreachable('the request was answered'),
    (reason: unknown) => reason
  )
  if (!(error instanceof OpenAI.APIError)) throw error
  return [error.status as number | undefined, error.code, error.param]
}

function post(path: string, body: string, headers: Record<string, string> = { 'content-type': 'application/json' }): Promise<Response> {
  return fetch(`${server.url}/v1${path}`, { method: 'POST', body, headers })
}

async function codeOf(answer: Promise<Response>): Promise<[number, unknown, unknown]> {
  const response = await answer
  const { error } = (await response.json()) as { error: { code: string; param: string | null } }
  return [response.status, error.code, error.param]
}

describe('models', () => {
  test('every kept version is a model, and the run alone stands for its newest', async () => {
    const { data } = await client.models.list()
    expect(data.map(({ id }) => id)).toEqual([ENGINE_RUN, `${ENGINE_RUN}@7`, `${ENGINE_RUN}@0`])
    expect(data[0]).toMatchObject({ object: 'model', created: port.run.created, root: `${ENGINE_RUN}@7`, max_model_len: 256 })
    expect(await client.models.retrieve(MODEL)).toMatchObject({ id: MODEL, root: MODEL })
    expect(await client.models.retrieve(ENGINE_RUN)).toMatchObject({ id: ENGINE_RUN, root: `${ENGINE_RUN}@7` })
  })

  test.each(['arithmetic-test@1', 'arithmetic-test@', 'arithmetic-test@00', 'other', '@0', 'arithmetic-test@7@7', 'x'.repeat(5000)])('%s is not one', async name => {
    expect(await failure(client.models.retrieve(name))).toEqual([404, 'model_not_found', 'model'])
  })
})

describe('completions', () => {
  test('the model adds, says why it stopped and what it used', async () => {
    const answer = await client.completions.create({ model: MODEL, prompt: '37+48=', temperature: 0 })
    expect(answer).toMatchObject({
      object: 'text_completion',
      model: MODEL,
      choices: [{ index: 0, text: '085', logprobs: null, finish_reason: 'stop' }],
      usage: { prompt_tokens: 7, completion_tokens: 4, total_tokens: 11 }
    })
    expect(answer.id).toMatch(/^cmpl-[0-9a-f]{24}$/)
  })

  test('a stream says the same, and its usage at the end', async () => {
    const stream = await client.completions.create({ model: MODEL, prompt: '37+48=', temperature: 0, stream: true, stream_options: { include_usage: true } })
    const parts: OpenAI.Completion[] = []
    for await (const part of stream) parts.push(part)
    expect(parts.map(({ choices }) => choices[0]?.text)).toEqual(['0', '8', '5', '', undefined])
    expect(parts.map(({ choices }) => choices[0]?.finish_reason)).toEqual([null, null, null, 'stop', undefined])
    expect(parts.map(({ usage }) => usage?.completion_tokens)).toEqual([undefined, undefined, undefined, undefined, 4])
    expect(new Set(parts.map(({ id }) => id)).size).toBe(1)
  })

  test('log-probs and token ids of what was drawn, offsets into the text', async () => {
    const asked = { model: MODEL, prompt: '37+48=', temperature: 0, logprobs: 1, return_token_ids: true } as const
    const { choices } = await client.completions.create(asked)
    const { logprobs, text } = choices[0]!
    expect(logprobs).toMatchObject({ tokens: ['0', '8', '5', '␃'], text_offset: [0, 1, 2, 3], top_logprobs: null })
    for (const logProb of logprobs!.token_logprobs!) expect(logProb).toBeLessThanOrEqual(0)
    expect(choices[0]).toMatchObject({ token_ids: [20, 28, 25, 2], prompt_token_ids: [1, 23, 27, 15, 24, 28, 33] })

    const streamed = { tokens: [] as string[], logProbs: [] as number[], ids: [] as number[], text: '', prompts: 0 }
    for await (const part of await client.completions.create({ ...asked, stream: true })) {
      const choice = part.choices[0] as OpenAI.CompletionChoice & { token_ids: number[]; prompt_token_ids?: number[] }
      streamed.text += choice.text
      streamed.tokens.push(...choice.logprobs!.tokens!)
      streamed.logProbs.push(...choice.logprobs!.token_logprobs!)
      streamed.ids.push(...choice.token_ids)
      if (choice.prompt_token_ids !== undefined) streamed.prompts++
    }
    expect(streamed).toEqual({ tokens: logprobs!.tokens, logProbs: logprobs!.token_logprobs, ids: [20, 28, 25, 2], text, prompts: 1 })
  })

  test('token ids as a prompt are taken as they are, several prompts are answered in order', async () => {
    const ids = [1, 23, 27, 15, 24, 28, 33]
    const texts = async (prompt: OpenAI.CompletionCreateParams['prompt']): Promise<string[]> => (await client.completions.create({ model: MODEL, prompt, temperature: 0 })).choices.map(({ text }) => text)
    expect(await texts(ids)).toEqual(['085'])
    expect(await texts([ids, ids])).toEqual(['085', '085'])
    expect(await texts(['10+11=', '37+48='])).toEqual([...(await texts('10+11=')), '085'])
    const { usage } = await client.completions.create({ model: MODEL, prompt: [ids, ids], n: 3, temperature: 0 })
    expect(usage).toMatchObject({ prompt_tokens: 14, completion_tokens: 24 })
  })

  test('a seed makes an answer reproducible, n answers differ, and a version differs from another', async () => {
    const ask = async (change: Partial<OpenAI.CompletionCreateParamsNonStreaming>): Promise<string[]> =>
      (await client.completions.create({ model: MODEL, prompt: 'ab', seed: 5, n: 4, temperature: 1.5, max_tokens: 12, ...change })).choices.map(({ text }) => text)
    const first = await ask({})
    expect(new Set(first).size).toBeGreaterThan(1)
    expect(await ask({})).toEqual(first)
    expect(await ask({ n: 2 })).toEqual(first.slice(0, 2))
    expect(await ask({ seed: 6 })).not.toEqual(first)
    expect(await ask({ model: ENGINE_RUN })).not.toEqual(first)
    expect(await ask({ seed: null })).not.toEqual(await ask({ seed: null }))
  })

  test('seeds are those of committed randomness: one for each place, none of them alike', () => {
    const seeds = [answerSeed(1, 0, 0), answerSeed(1, 0, 1), answerSeed(1, 1, 0), answerSeed(11, 0, 0)]
    expect(new Set(seeds.map(seed => uniform(seed, 0))).size).toBe(4)
  })

  test('an answer ends at its limit, by default 16 tokens or what fits', async () => {
    await withServer(endless, [], async url => {
      const ends = async (prompt: string, max_tokens?: number): Promise<unknown[]> => {
        const { choices, usage } = await clientOf(url).completions.create({ model: ENGINE_RUN, prompt, ...(max_tokens !== undefined && { max_tokens }) })
        return [choices[0]!.finish_reason, usage!.completion_tokens]
      }
      expect(await ends('1+')).toEqual(['length', 16])
      expect(await ends('1+', 3)).toEqual(['length', 3])
      expect(await ends('1'.repeat(250))).toEqual(['length', 5])
    })
  })

  test('a stop string ends the answer before it, at whatever token it ends, and frees its place', async () => {
    await withServer(endless, [], async url => {
      const asked = { model: MODEL, prompt: 'words', seed: 3, temperature: 2, max_tokens: 200, logprobs: 0 } as const
      const { text } = (await clientOf(url).completions.create(asked)).choices[0]!
      const stop = text.slice(40, 43)
      const at = text.indexOf(stop)
      const stopped = await clientOf(url).completions.create({ ...asked, stop: ['never in it', stop] })
      expect(stopped.choices[0]).toMatchObject({ text: text.slice(0, at), finish_reason: 'stop' })
      expect(stopped.usage!.completion_tokens).toBe(at + stop.length)
      expect(stopped.choices[0]!.logprobs!.tokens).toHaveLength(at + stop.length)
      let streamed = ''
      for await (const part of await clientOf(url).completions.create({ ...asked, stop, stream: true })) streamed += part.choices[0]!.text
      expect(streamed).toBe(text.slice(0, at))
    })
  })
})

describe('chat completions', () => {
  test('messages become lines of a prompt; the answer is a message', async () => {
    const answer = await client.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: '37+48=' }], temperature: 0, logprobs: true })
    expect(answer).toMatchObject({ object: 'chat.completion', choices: [{ index: 0, message: { role: 'assistant', content: '085' }, finish_reason: 'stop' }] })
    const content = answer.choices[0]!.logprobs!.content!
    expect(content.map(({ token, bytes }) => [token, bytes])).toEqual([['0', [48]], ['8', [56]], ['5', [53]], ['␃', [226, 144, 131]]])
    const body: OpenAI.ChatCompletionCreateParamsNonStreaming & { return_token_ids: boolean } = {
      model: MODEL,
      messages: [
        { role: 'system', content: 'a' },
        { role: 'user', content: [{ type: 'text', text: 'b' }, { type: 'text', text: 'c' }] }
      ],
      max_completion_tokens: 1,
      return_token_ids: true
    }
    expect(await client.chat.completions.create(body)).toMatchObject({ prompt_token_ids: [1, 69, 3, 70, 71], choices: [{ token_ids: [expect.any(Number)] }] })
  })

  test('the library’s own helper puts a stream together', async () => {
    const stream = client.chat.completions.stream({ model: MODEL, messages: [{ role: 'user', content: '37+48=' }], temperature: 0, stream_options: { include_usage: true } })
    expect((await stream.finalMessage()).content).toBe('085')
    expect(await stream.totalUsage()).toMatchObject({ prompt_tokens: 7, completion_tokens: 4 })
  })

  test('an answer may fill the context', async () => {
    await withServer(endless, [], async url => {
      const answer = await clientOf(url).chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: 'x'.repeat(200) }] })
      expect(answer.usage).toMatchObject({ total_tokens: 256 })
    })
  })
})

describe('whoever goes away', () => {
  test.each([true, false])('frees the places of all answers at once (stream: %s)', async stream => {
    await withServer(endless, [], async url => {
      endless.hold()
      const aborted = new AbortController()
      const answering = clientOf(url).completions.create({ model: MODEL, prompt: '1+', n: 3, max_tokens: 200, stream }, { signal: aborted.signal })
      const ended = answering.then(
        () => 'answered',
        (error: unknown) => (error instanceof OpenAI.APIUserAbortError ? 'aborted' : error)
      )
      await endless.untilSequences(3)
      aborted.abort()
      expect(await ended).toBe('aborted')
      await endless.untilSequences(0)
      endless.goOn()
    })
  })

  test('frees it in the middle of an answer', async () => {
    await withServer(endless, [], async url => {
      const stream = await clientOf(url).completions.create({ model: MODEL, prompt: '1+', max_tokens: 200, stream: true })
      for await (const part of stream) {
        expect(part.choices[0]!.finish_reason).toBeNull()
        endless.hold()
        break
      }
      await endless.untilSequences(0)
      endless.goOn()
      const after = await clientOf(url).completions.create({ model: MODEL, prompt: '1+', max_tokens: 2 })
      expect(after.usage!.completion_tokens).toBe(2)
      expect(endless.rows).toBe(0)
    })
  })
})

test('fifty streams at once each get what they would get alone', async () => {
  const ask = async (seed: number): Promise<string> => {
    let text = ''
    for await (const part of await client.completions.create({ model: MODEL, prompt: `${seed}+1=`, seed, temperature: 1.5, max_tokens: 12, stream: true })) text += part.choices[0]!.text
    return text
  }
  const seeds = Array.from({ length: 50 }, (_, seed) => seed)
  const together = await Promise.all(seeds.map(ask))
  const alone: string[] = []
  for (const seed of seeds.slice(0, 10)) alone.push(await ask(seed))
  expect(together.slice(0, 10)).toEqual(alone)
  expect(new Set(together).size).toBeGreaterThan(25)
})

describe('who is refused', () => {
  const asked = { model: MODEL, prompt: '1+1=' }

  test('without one of the server’s keys, 401, with it, not', async () => {
    await withServer(port, ['another-key-of-the-tests', KEY], async url => {
      await expect(clientOf(url, 'wrong').models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
      await expect(clientOf(url, `${KEY}x`).completions.create(asked)).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
      expect((await fetch(`${url}/v1/models`)).headers.get('www-authenticate')).toBe('Bearer')
      expect((await clientOf(url, KEY).models.list()).data).toHaveLength(3)
    })
  })

  test.each([
    ['a page of another name that leads here', { host: 'rebound.example:80' }],
    ['what a proxy passes on', { 'x-forwarded-for': '203.0.113.7' }]
  ])('without any keys, %s', async (_, headers) => {
    const { request } = await import('node:http')
    const status = new Promise(resolve => request(`${server.url}/v1/models`, { headers }, response => resolve(response.resume().statusCode)).end())
    expect(await status).toBe(403)
  })

  test('with more than as many as may be served at once, 429', async () => {
    const crowd = client.completions.create({ ...asked, prompt: ['1+', '2+'], n: 32 })
    await expect(crowd).rejects.toBeInstanceOf(OpenAI.RateLimitError)
    expect(await failure(client.completions.create({ ...asked, n: 61, stream: true }))).toEqual([429, 'too_many_requests', null])
  })

  test('while layers are missing, 503 that names them', async () => {
    port.refusal = { code: 'layers_missing', missing: [{ layers: { start: 2, end: 4 }, reason: 'absent_peer' }, { layers: { start: 0, end: 1 }, reason: 'no_memory' }] }
    const error: unknown = await client.completions.create({ ...asked, stream: true }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(OpenAI.InternalServerError)
    expect(error).toMatchObject({ status: 503, code: 'layers_missing', error: { missing: [{ layers: { start: 2, end: 4 }, reason: 'absent_peer' }, { reason: 'no_memory' }] } })
    expect((error as Error).message).toContain('part of the model cannot be served at the moment; layers 2 to 3: no tab that is ready holds them; layer 0: no tab has memory left for them')
  })

  test('a stream that breaks off says so in the stream', async () => {
    await withServer(endless, [], async url => {
      const stream = await clientOf(url).chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: '1+' }], max_tokens: 200, stream: true })
      let parts = 0
      const reading = (async () => {
        for await (const _ of stream) if (parts++ === 0) endless.breakDown({ code: 'layers_missing', missing: [] })
      })()
      await expect(reading).rejects.toMatchObject({ code: 'layers_missing' })
      expect(parts).toBeGreaterThan(0)
    })
  })

  test('for a model that is not there, 404', async () => {
    await expect(client.completions.create({ ...asked, model: 'arithmetic-test@1' })).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    expect(await failure(client.chat.completions.create({ model: 'gpt', messages: [{ role: 'user', content: '' }] }))).toEqual([404, 'model_not_found', 'model'])
  })

  test.each<[string, object, string, string | null]>([
    ['nucleus sampling', { top_p: 0.9 }, 'unsupported_value', 'top_p'],
    ['best_of', { best_of: 4 }, 'unsupported_value', 'best_of'],
    ['echo', { echo: true }, 'unsupported_value', 'echo'],
    ['alternatives', { logprobs: 5 }, 'unsupported_value', 'logprobs'],
    ['tools', { tools: [] }, 'unsupported_parameter', 'tools'],
    ['an unknown parameter', { '': 1 }, 'unsupported_parameter', ''],
    ['a temperature out of range', { temperature: 2.1 }, 'malformed', 'temperature'],
    ['a temperature of the wrong type', { temperature: 'hot' }, 'malformed', 'temperature'],
    ['no model', { model: null }, 'malformed', 'model'],
    ['no prompt', { prompt: null }, 'malformed', 'prompt'],
    ['a prompt without tokens', { prompt: [] }, 'malformed', 'prompt'],
    ['a prompt of mixed types', { prompt: [1, 'a'] }, 'malformed', 'prompt'],
    ['a token outside the vocabulary', { prompt: [1, 99] }, 'malformed', 'prompt'],
    ['a negative token', { prompt: [[-1]] }, 'malformed', 'prompt'],
    ['a prompt with characters that the model lacks', { prompt: 'aé😀' }, 'not_in_vocabulary', 'prompt'],
    ['half a character', { prompt: 'a\ud83d' }, 'not_in_vocabulary', 'prompt'],
    ['a prompt longer than the context', { prompt: '1'.repeat(256) }, 'context_length_exceeded', 'prompt'],
    ['more tokens than fit', { prompt: '1', max_tokens: 255 }, 'context_length_exceeded', 'max_tokens'],
    ['no tokens', { max_tokens: 0 }, 'malformed', 'max_tokens'],
    ['too many answers', { n: 65 }, 'malformed', 'n'],
    ['too many answers to several prompts', { prompt: ['1', '2'], n: 33 }, 'malformed', 'n'],
    ['an empty stop string', { stop: [''] }, 'malformed', 'stop'],
    ['too many stop strings', { stop: ['a', 'b', 'c', 'd', 'e'] }, 'malformed', 'stop'],
    ['half a character to stop at', { stop: '\ud83d' }, 'malformed', 'stop'],
    ['a seed that is no integer', { seed: 0.5 }, 'malformed', 'seed'],
    ['stream options without a stream', { stream_options: { include_usage: true } }, 'malformed', 'stream_options']
  ])('%s', async (_, change, code, param) => {
    expect(await codeOf(post('/completions', JSON.stringify({ ...asked, ...change })))).toEqual([400, code, param])
  })

  test.each<[string, object, string, string]>([
    ['no messages', { messages: [] }, 'malformed', 'messages'],
    ['a role that is not known', { messages: [{ role: 'tool', content: '' }] }, 'malformed', 'messages.0.role'],
    ['an image', { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: '' } }] }] }, 'malformed', 'messages.0.content'],
    ['alternatives', { logprobs: true, top_logprobs: 2 }, 'unsupported_value', 'top_logprobs'],
    ['a JSON answer', { response_format: { type: 'json_object' } }, 'unsupported_value', 'response_format.type']
  ])('in a chat, %s', async (_, change, code, param) => {
    expect(await codeOf(post('/chat/completions', JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: '1' }], ...change })))).toEqual([400, code, param])
  })

  test.each<[string, string, Record<string, string>, [number, string]]>([
    ['half of a JSON text', '{"model":', { 'content-type': 'application/json' }, [400, 'malformed']],
    ['a list', '[]', { 'content-type': 'application/json' }, [400, 'malformed']],
    ['a form, which a page elsewhere could send', '{"model":"x","prompt":""}', { 'content-type': 'text/plain' }, [400, 'malformed']],
    ['another character set', '{}', { 'content-type': 'application/json; charset=latin1' }, [415, 'unsupported_media_type']],
    ['another compression', '{}', { 'content-type': 'application/json', 'content-encoding': 'zstd' }, [415, 'unsupported_media_type']],
    ['a body that is too large', JSON.stringify({ ...asked, prompt: '1'.repeat(1_100_000) }), { 'content-type': 'application/json' }, [413, 'too_large']],
    ['depth without end', `{"model":"x","prompt":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, { 'content-type': 'application/json' }, [400, 'malformed']],
    ['a name of the language', '{"model":"x","prompt":"a","__proto__":{"a":1}}', { 'content-type': 'application/json' }, [400, 'unsupported_parameter']]
  ])('%s', async (_, body, headers, [status, code]) => {
    expect((await codeOf(post('/completions', body, headers))).slice(0, 2)).toEqual([status, code])
  })

  test('another address', async () => {
    expect(await codeOf(post('/embeddings', '{}'))).toEqual([404, 'unknown_url', null])
    expect(await codeOf(fetch(`${server.url}/v1/completions`))).toEqual([404, 'unknown_url', null])
  })
})

test('requests and tokens are counted, and no label carries what was asked', async () => {
  await client.completions.create({ model: MODEL, prompt: '37+48=', temperature: 0, n: 2 })
  await failure(client.completions.create({ model: 'secret-name', prompt: '' }))
  await fetch(`${server.url}/v1/secret-path`)
  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  expect(metrics).toContain('swarm_api_tokens_total 8')
  expect(metrics).toContain('swarm_api_requests_total{endpoint="/completions",status="200"} 1')
  expect(metrics).toContain('swarm_api_requests_total{endpoint="/completions",status="404"} 1')
  expect(metrics).toContain('swarm_api_requests_total{endpoint="other",status="404"} 1')
  expect(metrics).not.toContain('secret')
})

test('an empty text is a prompt: the model starts from its start token', async () => {
  const answer = await client.completions.create({ model: MODEL, prompt: '', max_tokens: 1 })
  expect(answer.usage).toMatchObject({ prompt_tokens: 1, completion_tokens: 1 })
})

test('a run without a tokenizer is served by token ids, and says so to those who send text', async () => {
  const tokenless: ServingPort = { runs: () => [{ ...port.run, tokenizer: null }], open: (sequence, listener) => port.open(sequence, listener) }
  await withServer(tokenless, [], async url => {
    const other = clientOf(url)
    expect(await failure(other.completions.create({ model: MODEL, prompt: '1+1=' }))).toEqual([400, 'no_tokenizer', 'prompt'])
    expect(await failure(other.completions.create({ model: MODEL, prompt: [1], stop: 'a' }))).toEqual([400, 'no_tokenizer', 'stop'])
    const { choices } = await other.completions.create({ model: MODEL, prompt: [1, 23, 27, 15, 24, 28, 33], temperature: 0, logprobs: 0 })
    expect(choices[0]).toMatchObject({ text: '', token_ids: [20, 28, 25, 2], logprobs: { tokens: ['token_id:20', 'token_id:28', 'token_id:25', 'token_id:2'] } })
  })
})
