import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { fault, type ApiFault } from './api-fault.ts'

const LOOPBACK_ADDRESS = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i
const PASSED_ON = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via']

/**
 * Who may ask. With keys: whoever has one, from wherever. Without: only programs of this machine. The address alone does
 * not tell: a page elsewhere may have given its own name this address (so the name that was asked for must be of this
 * machine, too), and a proxy here may pass on what came from outside (it usually says so in a header).
 */
export function createGate(keys: readonly string[]): (request: Request) => ApiFault | undefined {
  const digests = keys.map(digest)
  return request => {
    if (digests.length === 0) return isLocal(request) ? undefined : fault('loopback_only', 'this server has no API keys, so it answers only on its own machine; its operator can give it keys')
    const given = /^Bearer (.+)$/i.exec(request.get('Authorization') ?? '')?.[1]
    if (given === undefined) return fault('invalid_api_key', 'an API key is needed: Authorization: Bearer KEY')
    const found = digest(given)
    // Every key is compared, so that the time taken says nothing about any.
    return digests.filter(known => timingSafeEqual(known, found)).length > 0 ? undefined : fault('invalid_api_key', 'this API key is not known here')
  }
}

function isLocal(request: Request): boolean {
  if (!LOOPBACK_ADDRESS.test(request.socket.remoteAddress ?? '')) return false
  return LOOPBACK_HOST.test(request.get('Host') ?? '') && PASSED_ON.every(header => request.get(header) === undefined)
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
