import type { RequestHandler } from 'express'

const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  // WebAssembly is compiled, JavaScript is never made from strings.
  "script-src 'self' 'wasm-unsafe-eval'",
  // onnxruntime-web starts its threads from blob URLs of its own module.
  "worker-src 'self' blob:",
  // The socket, also of an older browser in which 'self' does not cover ws: (CSP 3, section 6.7.2.8).
  "connect-src 'self' ws: wss:",
  "img-src 'self' data:",
  // React and uPlot set style properties through the DOM, which this does not restrict.
  "style-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join('; ')

/** Cross-origin isolation (COOP and COEP) is what gives the engine's WebAssembly shared memory and threads. */
export const securityHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer'
  })
  next()
}
