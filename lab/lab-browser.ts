import { chromium, type Browser } from 'playwright-core'
import { CHROMIUM_SWITCHES, resolveChromium } from '../cli/chromium.ts'
import type { LabNodes } from './lab-nodes.ts'

export interface LabBrowserOptions {
  /** Origins of the lab whose pages may do what pages served over TLS may, such as `http://198.51.100.1:8787`. */
  readonly secureOrigins?: readonly string[]
}

/** A headless Chromium whose network is the node's. It is driven over a pipe, which does not pass through the lab. */
export function launchBrowserIn(lab: LabNodes, node: string, { secureOrigins = [] }: LabBrowserOptions = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: lab.executable(node, resolveChromium()),
    args: [...CHROMIUM_SWITCHES, ...(secureOrigins.length === 0 ? [] : [`--unsafely-treat-insecure-origin-as-secure=${secureOrigins.join(',')}`])]
  })
}
