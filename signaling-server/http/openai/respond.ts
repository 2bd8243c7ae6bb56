/** Sends answers as they come, or at the end. Whoever goes away gives up all that was opened. */
import type { Response } from 'express'
import type { ServingPort } from '../../serving-port.ts'
import { faultBody, faultOfRefusal, type ApiFault } from './api-fault.ts'
import { Answer } from './answer.ts'
import { usageOf, type AnswerForm } from './answer-form.ts'
import type { AnswerRequest } from './answer-request.ts'

export interface Outcome {
  /** Of all answers. */
  readonly tokens: number
  readonly end: 'answered' | 'refused' | 'left'
}

/** @param refuse answers with a fault; only called while nothing was sent */
export function respond(response: Response, port: ServingPort, request: AnswerRequest, form: AnswerForm, refuse: (fault: ApiFault) => void): Promise<Outcome> {
  return new Promise(resolve => {
    const answers = request.sequences.map(() => new Answer(request))
    const begun = new Set<number>()
    let ended = false
    let due = false

    const end = (how: Outcome['end']): void => {
      ended = true
      for (const answer of answers) answer.close()
      resolve({ tokens: total(answers), end: how })
    }

    /** What comes in one turn of the event loop goes out together: a server that is behind sends fewer parts, and longer ones. */
    const changed = (): void => {
      if (due) return
      due = true
      setImmediate(() => {
        due = false
        if (!ended) send()
      })
    }

    const send = (): void => {
      const refusal = answers.find(answer => answer.refusal !== undefined)?.refusal
      if (refusal !== undefined) {
        const fault = faultOfRefusal(refusal, request.model)
        if (response.headersSent) response.end(event(faultBody(fault)))
        else refuse(fault)
        end('refused')
      } else if (request.stream) {
        sendParts()
      } else if (answers.every(answer => answer.isDone)) {
        response.json(form.whole(request, answers.map(answer => answer.take()), usageOf(request, total(answers))))
        end('answered')
      }
    }

    /** While the reader is behind, parts grow instead of their number. */
    const sendParts = (): void => {
      if (response.writableNeedDrain) return
      for (const [index, answer] of answers.entries()) {
        const part = answer.take()
        const tellsTokens = part.tokens.length > 0 && (request.logProbs || request.tokenIds)
        if (part.text === '' && part.finish === null && !tellsTokens) continue
        if (!response.headersSent) response.set(EVENT_STREAM).flushHeaders()
        response.write(event(form.part(request, index, part, !begun.has(index))))
        begun.add(index)
      }
      if (!answers.every(answer => answer.isDone)) return
      if (request.includeUsage) response.write(event(form.usage(request, usageOf(request, total(answers)))))
      response.end('data: [DONE]\n\n')
      end('answered')
    }

    if (response.closed) return end('left')
    response.on('drain', changed)
    response.once('close', () => {
      if (!ended) end('left')
    })
    for (const [index, answer] of answers.entries()) {
      if (!ended) answer.open(port, request.sequences[index]!, changed)
    }
  })
}

const EVENT_STREAM = { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache, no-transform', 'X-Accel-Buffering': 'no' } as const

/** One server-sent event. */
function event(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`
}

function total(answers: readonly Answer[]): number {
  return answers.reduce((sum, { tokens }) => sum + tokens, 0)
}
