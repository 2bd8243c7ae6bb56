/** A page and a trainer that come back by themselves and say everything again, as the real ones do; for tests in which servers come and go. */
import type { PublishedVersion } from '#shared/testing/swarm-fixtures.ts'
import { describedRun, peerName, publishedVersion } from '#shared/testing/swarm-fixtures.ts'
import type { RunDescription } from '#shared/protocol/run-description.ts'
import { PROTOCOL_VERSION } from '#shared/protocol/version.ts'
import { LoopbackClient, putChunk, TOKEN } from './loopback.ts'

interface Announced {
  readonly manifest: { readonly version: number }
}

export class ReturningPage {
  readonly client: LoopbackClient
  readonly peer: string
  /** Welcomes so far. */
  joins = 0
  /** The newest version that it was told of. */
  newest = -1
  readonly introduced = new Set<string>()
  readonly gone: string[] = []
  /** What came from others, in order. */
  readonly signals: string[] = []
  /** Codes with which its joins were refused. */
  readonly refused: string[] = []
  readonly #index: number
  readonly #more: Parameters<LoopbackClient['joinRequest']>[1]
  #joining = false
  /** The connection of the last welcome. */
  #joinedOn: string | undefined
  /** It was told that it may join while it was asking. */
  #mayHaveChanged = false

  constructor(url: string, index: number, more: Parameters<LoopbackClient['joinRequest']>[1] = {}) {
    this.#index = index
    this.#more = more
    this.peer = peerName(index)
    this.client = new LoopbackClient(url, { role: 'volunteer' })
    const { socket } = this.client
    socket.on('challenge', () => void this.#join())
    socket.on('run_described', () => void this.#join())
    socket.on('introduction', ({ peer }: { peer: string }) => this.introduced.add(peer))
    socket.on('peer_gone', ({ peer }: { peer: string }) => this.gone.push(peer))
    socket.on('signal', ({ data }: { data: string }) => this.signals.push(data))
    socket.on('policy_announced', (announced: Announced) => this.#hearOf(announced))
  }

  close(): void {
    this.client.socket.disconnect()
  }

  /** What follows an answer may be heard before whoever waited for the answer goes on. */
  #hearOf({ manifest }: Announced): void {
    this.newest = Math.max(this.newest, manifest.version)
  }

  async #join(): Promise<void> {
    this.#mayHaveChanged = true
    if (this.#joining) return
    this.#joining = true
    while (this.#mayHaveChanged) {
      this.#mayHaveChanged = false
      await this.#ask()
    }
    this.#joining = false
  }

  async #ask(): Promise<void> {
    const { id } = this.client.socket
    if (id === undefined || id === this.#joinedOn) return
    try {
      const linked = [...this.introduced]
      const answer = (await this.client.ask('join', await this.client.joinRequest(this.#index, { ...this.#more, linked }))) as { kind: string; code: string; newest: Announced }
      if (answer.kind === 'refused') this.refused.push(answer.code)
      else if (this.client.socket.id === id) {
        this.joins++
        this.#joinedOn = id
        this.#hearOf(answer.newest)
      }
    } catch {
      // The connection was lost; the next one begins with a challenge.
    }
  }
}

export class ReturningTrainer {
  readonly client: LoopbackClient
  readonly #url: string
  readonly #description: RunDescription
  #newest = 0
  /** What stands at the server of this connection. */
  #stands = -1
  #busy = false

  constructor(url: string, change: Partial<RunDescription> = {}) {
    this.#url = url
    this.#description = describedRun(change)
    this.client = new LoopbackClient(url, { role: 'trainer', token: TOKEN })
    this.client.socket.on('connect', () => {
      this.#stands = -1
      void this.#bringUpToDate()
    })
    this.client.socket.on('rollouts_submitted', ({ submission }: { submission: { rollouts: { id: string }[] } }, acknowledge: (answer: object) => void) =>
      acknowledge({ kind: 'verdicts', verdicts: submission.rollouts.map(({ id }) => ({ id, outcome: 'accepted', reward: 1 })) })
    )
  }

  publish(version: number): void {
    this.#newest = version
    void this.#bringUpToDate()
  }

  close(): void {
    this.client.socket.disconnect()
  }

  async #bringUpToDate(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    const { socket } = this.client
    while (socket.connected && this.#stands !== this.#newest) {
      const newest = this.#newest
      const { id } = socket
      try {
        if (this.#stands === -1) {
          const opened = (await this.client.ask('run_opened', { protocol: PROTOCOL_VERSION, description: this.#description, newest, tokenizer: null })) as { kind: string }
          if (opened.kind !== 'run_open') throw new Error(`the run was not opened: ${JSON.stringify(opened)}`)
          await this.#publish(publishedVersion(0))
        }
        if (newest !== 0) await this.#publish(publishedVersion(newest))
        if (socket.id === id) this.#stands = newest
      } catch (error) {
        if (socket.connected && socket.id === id) {
          // A server that is about to be cut off refuses for now.
          await new Promise(resolve => setTimeout(resolve, 50))
          if (!/lost|disconnected|timed out|not announced/.test(String(error))) throw error
        }
      }
    }
    this.#busy = false
  }

  async #publish({ manifest, chunks }: PublishedVersion): Promise<void> {
    const answer = (await this.client.ask('policy_published', { manifest })) as { kind: string; hashes?: string[] }
    for (const hash of answer.hashes ?? []) await putChunk(this.#url, hash, chunks.get(hash)!).catch(() => undefined)
    const second = answer.kind === 'announced' ? answer : ((await this.client.ask('policy_published', { manifest })) as { kind: string })
    if (second.kind !== 'announced') throw new Error(`version ${manifest.version} was not announced: ${JSON.stringify(second)}`)
  }
}
