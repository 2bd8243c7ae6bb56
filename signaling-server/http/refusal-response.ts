import type { Response } from 'express'
import { refuse, type RefusalCode } from '#shared/protocol/refusal.ts'
import type { Metrics } from './metrics.ts'

/** The body is the same refusal that a socket would carry. */
export function respondRefused(response: Response, metrics: Metrics, status: number, code: RefusalCode, detail?: string): void {
  metrics.countRefusal(code)
  response.status(status).json(refuse(code, detail))
}
