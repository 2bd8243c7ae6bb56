/** The part of OpenAI's HTTP API that the swarm can serve; docs/api.md says which. */
import express, { Router, type ErrorRequestHandler, type RequestHandler, type Response } from 'express'
import type { Logger } from 'pino'
import type { ServingPort } from '../../serving-port.ts'
import type { LeaderHttp } from '../leader-http.ts'
import type { Metrics } from '../metrics.ts'
import { chatForm, completionForm, type AnswerForm } from './answer-form.ts'
import { planAnswer } from './answer-request.ts'
import { fault, faultBody, faultStatus, type ApiFault, type FaultCode } from './api-fault.ts'
import { createGate } from './bearer-keys.ts'
import { describeModel, findModel, listModels } from './model-names.ts'
import { chatPrompt, completionPrompts } from './prompt-tokens.ts'
import { chatRequest, completionRequest, readRequest, type ChatRequest, type CompletionRequest } from './request-schema.ts'
import { respond } from './respond.ts'
import { RunTokenizers } from './run-tokenizers.ts'

const BODY_BYTES = 1024 * 1024
/** As OpenAI's, of completions; a chat answer may fill the context. */
const DEFAULT_COMPLETION_TOKENS = 16

/**
 * @param keys whoever has one may ask; none: programs of this machine may
 * @param leader where several servers share a swarm: another one may have to answer
 */
export function openAiRoutes(port: ServingPort, keys: readonly string[], metrics: Metrics, log: Logger, leader?: LeaderHttp): Router {
  const router = Router()
  const gate = createGate(keys)
  const tokenizers = new RunTokenizers()

  router.use((request, response, next) => {
    // A server that passes a request on has asked for the key.
    const closed = leader?.isServer(request) === true ? undefined : gate(request)
    if (closed === undefined) next()
    else sendFault(response, closed)
  })
  router.use((request, response, next) => {
    const endpoint = ENDPOINTS.has(request.path) ? request.path : 'other'
    response.once('close', () => metrics.apiRequests.inc({ endpoint, status: response.writableFinished ? response.statusCode : LEFT }))
    next()
  })

  if (leader !== undefined) {
    const whole: RequestHandler = express.raw({ type: () => true, limit: BODY_BYTES })
    const passOn: RequestHandler = async (request, response) => {
      if (!(await leader.forward(request, response))) sendFault(response, fault('no_leader', 'no server leads at the moment: ask again in a few seconds'))
    }
    router.use((request, response, next) => {
      if (leader.isElsewhere(request)) whole(request, response, error => (error === undefined ? passOn(request, response, next) : next(error)))
      else next()
    })
  }

  router.get('/models', (_request, response) => void response.json({ object: 'list', data: listModels(port.runs()) }))
  router.get('/models/:model', (request, response) => {
    const { model: name } = request.params
    const model = findModel(port.runs(), name)
    if (model === undefined) sendFault(response, unknownModel(name))
    else response.json(describeModel(name, model))
  })

  const answer = async (response: Response, asked: CompletionRequest | ChatRequest, form: AnswerForm): Promise<void> => {
    const runs = port.runs()
    const model = findModel(runs, asked.model)
    if (model === undefined) return sendFault(response, unknownModel(asked.model))
    const tokenizer = tokenizers.of(model.run, runs)
    const prompts = 'messages' in asked ? chatPrompt(asked, model.run, tokenizer) : completionPrompts(asked, model.run, tokenizer)
    if (prompts.kind === 'fault') return sendFault(response, prompts)
    const style = 'messages' in asked ? ({ prefix: 'chatcmpl', defaultMaxTokens: null } as const) : ({ prefix: 'cmpl', defaultMaxTokens: DEFAULT_COMPLETION_TOKENS } as const)
    const plan = planAnswer(asked, { ...style, model, tokenizer, prompts: prompts.prompts, now: Date.now() })
    if (plan.kind === 'fault') return sendFault(response, plan)
    const outcome = await respond(response, port, plan, form, refusal => sendFault(response, refusal))
    metrics.apiTokens.inc(outcome.tokens)
    log.debug({ event: 'api_answer', id: plan.id, model: plan.model, ...outcome })
  }

  const json: RequestHandler = express.json({ limit: BODY_BYTES })
  router.post('/completions', json, async (request, response) => {
    const asked = readRequest(completionRequest, request.body)
    if (asked.kind === 'fault') sendFault(response, asked)
    else await answer(response, asked.value, completionForm)
  })
  router.post('/chat/completions', json, async (request, response) => {
    const asked = readRequest(chatRequest, request.body)
    if (asked.kind === 'fault') sendFault(response, asked)
    else await answer(response, asked.value, chatForm)
  })

  router.use((request, response) => sendFault(response, fault('unknown_url', `no such endpoint: ${request.method} ${request.baseUrl}${request.path.slice(0, 100)}`)))
  router.use(((error: { status?: number; message?: string }, _request, response, next) => {
    if (response.headersSent) return next(error)
    const status = error.status ?? 500
    if (status === 413) return sendFault(response, fault('too_large', `the body is larger than ${BODY_BYTES} bytes`))
    if (status === 415) return sendFault(response, fault('unsupported_media_type', 'the body must be JSON in UTF-8'))
    if (status < 500) return sendFault(response, fault('malformed', 'the request cannot be read: its body must be JSON'))
    log.error({ event: 'api_failed', error }, 'request failed')
    sendFault(response, fault('failed', 'the server failed; its log says why'))
  }) satisfies ErrorRequestHandler)
  return router
}

const ENDPOINTS = new Set(['/models', '/completions', '/chat/completions'])
/** The status that nginx logs for callers who went away; nobody receives it. */
const LEFT = 499

/** What may be better in a moment. */
const RETRIABLE: ReadonlySet<string> = new Set(['too_many_requests', 'layers_missing', 'stale_version', 'interrupted', 'no_leader'] satisfies FaultCode[])

function unknownModel(name: string): ApiFault {
  return fault('model_not_found', `there is no model ${JSON.stringify(name.slice(0, 100))} here: GET /v1/models lists them`, 'model')
}

function sendFault(response: Response, refusal: ApiFault): void {
  if (RETRIABLE.has(refusal.code)) response.set('Retry-After', '1')
  if (refusal.code === 'invalid_api_key') response.set('WWW-Authenticate', 'Bearer')
  response.status(faultStatus(refusal)).json(faultBody(refusal))
}
