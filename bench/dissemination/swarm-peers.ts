/** Peers in nodes of a lab: tabs of Chromium, or processes of Node. */
import { fileURLToPath } from 'node:url'
import { launchBrowserIn } from '../../lab/lab-browser.ts'
import type { Lab } from '../../lab/lab.ts'
import type { Answer, Call } from './called-peer.ts'
import type { PeerApi } from './peer-api.ts'

export type PeerKind = 'tab' | 'process'

/** A peer that runs elsewhere: every method is asked for there. */
export interface RemotePeer {
  readonly node: string
  call<Method extends keyof PeerApi>(method: Method, ...args: Parameters<PeerApi[Method]>): Promise<Awaited<ReturnType<PeerApi[Method]>>>
  close(): Promise<void>
}

/** @param page the benchmark's page at the signaling server */
export function openPeer(lab: Lab, kind: PeerKind, node: string, page: string): Promise<RemotePeer> {
  return kind === 'tab' ? openTab(lab, node, page) : startProcess(lab, node, page)
}

async function openTab(lab: Lab, node: string, address: string): Promise<RemotePeer> {
  const browser = await launchBrowserIn(lab, node, { secureOrigins: [new URL(address).origin] })
  const page = await browser.newPage()
  page.on('console', message => {
    if (message.type() === 'error') console.error(`${node}: ${message.text()}`)
  })
  page.on('pageerror', error => console.error(`${node}: ${error.message}`))
  await page.goto(address)
  await page.waitForFunction(() => 'dissemination' in window)
  return {
    node,
    call: (method, ...args) => page.evaluate(([method, args]) => (window.dissemination[method] as (...args: unknown[]) => never)(...args), [method, args as unknown[]] as const),
    close: () => browser.close()
  }
}

async function startProcess(lab: Lab, node: string, page: string): Promise<RemotePeer> {
  const child = lab.spawn(node, process.execPath, ['--import', 'tsx', fileURLToPath(new URL('node-peer.ts', import.meta.url)), page], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const asked = new Map<number, { readonly resolve: (result: never) => void; readonly reject: (error: Error) => void }>()
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  child.on('message', (answer: Answer) => {
    const { resolve, reject } = asked.get(answer.id)!
    asked.delete(answer.id)
    if ('error' in answer) reject(new Error(`${node}: ${answer.error}`))
    else resolve(answer.result as never)
  })
  // Whoever waits for it hears of its end: one that is killed answers nothing.
  void ended.then(() => asked.forEach(({ reject }) => reject(new Error(`${node} ended`))))
  let calls = 0
  return {
    node,
    call: (method, ...args) =>
      new Promise((resolve, reject) => {
        const call: Call = { id: calls++, method, args }
        asked.set(call.id, { resolve, reject })
        child.send(call, error => error !== null && reject(error))
      }),
    close: async () => {
      // It has nothing to lose, and threads of libdatachannel do not end with their peer connections.
      child.kill('SIGKILL')
      await ended
    }
  }
}
