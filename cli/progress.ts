/** The live feed as text: a block that is rewritten in place on a terminal, one line per learner step elsewhere. */
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import type { RunReport } from '#shared/protocol/run-report.ts'

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** @returns `values` scaled between their own least and greatest, at most `width` characters: the newest ones. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width)
  const least = Math.min(...shown)
  const range = Math.max(...shown) - least
  return shown.map(value => BLOCKS[range === 0 ? 0 : Math.round(((value - least) / range) * (BLOCKS.length - 1))]).join('')
}

function percent(evaluation: { readonly success: number; readonly n: number } | null): string {
  return evaluation === null ? '–' : `${(evaluation.success * 100).toFixed(1)} % of ${evaluation.n}`
}

function duration(seconds: number): string {
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

export function countRejected(feed: RunFeed): number {
  return Object.values(feed.report.rollouts.rejected).reduce((sum, n) => sum + n, 0)
}

function describeRejections(feed: RunFeed): string {
  const reasons = Object.entries(feed.report.rollouts.rejected).filter(([, n]) => n > 0)
  return reasons.length === 0 ? '' : ` (${reasons.map(([reason, n]) => `${reason} ${n}`).join(', ')})`
}

function describePeers(feed: RunFeed): string {
  const states = new Map<string, number>()
  for (const peer of feed.peers) states.set(peer.status.state, (states.get(peer.status.state) ?? 0) + 1)
  return feed.peers.length === 0 ? 'none yet' : `${feed.peers.length}: ${[...states].map(([state, n]) => `${n} ${state}`).join(', ')}`
}

/** Lines of the block. Every number comes from the feed. */
export function renderBlock(feed: RunFeed): string[] {
  const { report } = feed
  const { rollouts, dissemination, throughput } = report
  return [
    `${report.run} · ${report.mode}, S = ${report.stalenessBudget} · ${feed.phase} · ${duration(report.durationSeconds)}`,
    `learner step  ${report.updates} / ${feed.updatesPlanned}`,
    `reward        ${report.reward.at(-1)?.toFixed(3) ?? '–'}  ${sparkline(report.reward, 40)}`,
    `success       before ${percent(report.eval.before)}, now ${percent(report.eval.after ?? feed.evaluations.at(-1) ?? null)}`,
    `lag           mean ${report.lag.mean.toFixed(2)}, max ${report.lag.max}`,
    `token/s       ${feed.tokensPerSecond.toFixed(0)} generated, ${throughput.learnerTokensPerSecond.toFixed(0)} learnt, learner busy ${(throughput.learnerBusyFraction * 100).toFixed(0)} %`,
    `rollouts      ${rollouts.accepted} accepted, ${rollouts.stale} stale, ${countRejected(feed)} rejected${describeRejections(feed)}; ${feed.inFlight} in flight, ${feed.buffered} buffered`,
    `versions      ${dissemination.versions} published; ${kilobytes(dissemination.bytesFromOrigin)} from the origin, ${kilobytes(dissemination.bytesFromPeers)} from peers`,
    `peers         ${describePeers(feed)}`
  ]
}

function kilobytes(bytes: number): string {
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** One line for logs: what changed with a learner step. */
export function renderLine(feed: RunFeed): string {
  const { report } = feed
  return [
    `step ${report.updates}/${feed.updatesPlanned}`,
    `reward ${report.reward.at(-1)?.toFixed(3) ?? '–'}`,
    `lag ${report.lag.mean.toFixed(2)} (max ${report.lag.max})`,
    `${feed.tokensPerSecond.toFixed(0)} token/s`,
    `accepted ${report.rollouts.accepted}`,
    `stale ${report.rollouts.stale}`,
    `rejected ${countRejected(feed)}`,
    `peers ${feed.peers.length}`
  ].join(' · ')
}

/** One line for the end of a run. */
export function renderResult(report: RunReport): string {
  const { before, after } = report.eval
  return `Finished: ${report.updates} updates in ${duration(report.durationSeconds)}; held-out success ${percent(before)} → ${percent(after)}.`
}

/** Where progress is written: `process.stdout` has this shape. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export class ProgressView {
  readonly #screen: Screen
  #blockLines = 0
  #shownStep: string | undefined

  constructor(screen: Screen) {
    this.#screen = screen
  }

  show(feed: RunFeed): void {
    if (this.#screen.isTTY === true) this.#rewrite(renderBlock(feed))
    else this.#append(feed)
  }

  /** Writes a line that stays, above the block. */
  say(line: string): void {
    this.#clear()
    this.#screen.write(`${line}\n`)
  }

  #clear(): void {
    // Cursor up to the block's first line, then erase to the end of the screen (ECMA-48 CPL and ED).
    if (this.#blockLines > 0) this.#screen.write(`\u001B[${this.#blockLines}F\u001B[J`)
    this.#blockLines = 0
  }

  #rewrite(lines: readonly string[]): void {
    // A terminal that does not know its width says 0.
    const width = Math.max(20, this.#screen.columns || 80) - 1
    this.#clear()
    this.#screen.write(`${lines.map(line => line.slice(0, width)).join('\n')}\n`)
    this.#blockLines = lines.length
  }

  #append(feed: RunFeed): void {
    const step = `${feed.phase} ${feed.report.updates}`
    if (step === this.#shownStep) return
    this.#shownStep = step
    this.#screen.write(`${feed.phase === 'running' ? renderLine(feed) : `${feed.phase}: ${renderLine(feed)}`}\n`)
  }
}
