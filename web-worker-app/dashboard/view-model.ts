/** What the dashboard shows, from what the session knows. Numbers are those of `feed.report`, which is also the report file. Pure. */
import type { RunFeed } from '#shared/protocol/run-feed.ts'
import { shownEpisode, type ShownEpisode } from '../session/shown-episode.ts'
import { formatBytes, formatDecimal, formatDuration, formatInteger, formatPercent, formatPoints, formatRate, formatSignificant, NOT_YET, shortPeerId } from '../presentation/format.ts'
import { successSoFar, type MeasuredSuccess } from '../presentation/held-out-success.ts'
import { describeRejection, runMessages } from '../presentation/run-messages.ts'
import { isOver } from '../presentation/run-phase.ts'
import type { SessionSnapshot } from '../session/session-store.ts'
import { chartModels, type ChartModel } from './chart-models.ts'
import { layersView, type LayersView } from './layers-view.ts'
import { linksView, type LinksView } from './link-rows.ts'
import { messages } from './messages.ts'
import { peersView, type PeersView } from './peer-rows.ts'
import { breakViews, requestViews, type BreakView, type RequestView } from './served-requests.ts'

export interface HeaderView {
  readonly run: string
  readonly goal: string
  readonly phase: RunFeed['phase']
  readonly phaseLabel: string
  readonly facts: readonly { readonly term: string; readonly value: string }[]
  /** Learner steps done of those planned, 0…1. */
  readonly progress: number
}

export interface CardView {
  readonly id: 'success' | 'reward' | 'lag' | 'rate' | 'busy' | 'rollouts' | 'flow' | 'spread'
  readonly label: string
  readonly value: string
  readonly note: string
}

export interface RolloutView {
  readonly id: string
  readonly episode: ShownEpisode
  readonly outcome: RunFeed['latestRollouts'][number]['outcome']
  readonly outcomeLabel: string
  readonly reward: string | null
  readonly reason: string | null
  readonly version: string
  readonly peer: string
}

export interface RunView {
  readonly kind: 'run'
  readonly documentTitle: string
  readonly header: HeaderView
  readonly cards: readonly CardView[]
  readonly charts: readonly ChartModel[]
  readonly peers: PeersView
  readonly links: LinksView
  /** null until the server has told of this run's layers. */
  readonly layers: LayersView | null
  /** Newest first, as are the breaks. */
  readonly requests: readonly RequestView[]
  readonly breaks: readonly BreakView[]
  /** Name of the environment. */
  readonly task: string
  readonly rollouts: readonly RolloutView[]
  /** Most frequent first. */
  readonly rejections: readonly { readonly reason: string; readonly label: string; readonly count: number }[]
}

/** Nothing to show yet, and why. */
export interface EmptyView {
  readonly kind: 'empty'
  readonly documentTitle: string
  readonly headline: string
  readonly explanation: string
  /** A command that would help, or null. */
  readonly command: string | null
}

export type DashboardView = RunView | EmptyView

function headerView({ report, phase, goal, updatesPlanned }: RunFeed): HeaderView {
  const { header } = messages
  return {
    run: report.run,
    goal,
    phase,
    phaseLabel: runMessages.phase[phase],
    facts: [
      { term: header.updates, value: header.updatesOf(formatInteger(report.updates), formatInteger(updatesPlanned)) },
      { term: header.elapsed, value: formatDuration(report.durationSeconds) },
      { term: header.mode, value: runMessages.mode[report.mode] },
      { term: header.stalenessBudget, value: formatInteger(report.stalenessBudget) },
      { term: header.seed, value: String(report.seed) }
    ],
    progress: updatesPlanned === 0 ? 0 : Math.min(1, report.updates / updatesPlanned)
  }
}

function successCard(feed: RunFeed): CardView {
  const { cards } = messages
  const { before, latest } = successSoFar(feed)
  const shown = latest ?? before
  const value = [before, latest].flatMap(point => (point === null ? [] : [formatPercent(point.success, 1)])).join(' → ')
  const note =
    shown === null
      ? cards.successUnknown
      : latest !== null && before !== null
        ? cards.successChange(formatPoints(latest.success - before.success), formatInteger(latest.n))
        : cards.successFirst(formatInteger(shown.n))
  return { id: 'success', label: cards.success, value: value === '' ? NOT_YET : value, note: [note, ...evaluationNotes(shown), ...bestNote(feed)].join('; ') }
}

/** How sure the figure is, and what samples said. */
function evaluationNotes(measured: MeasuredSuccess | null): string[] {
  const { cards } = messages
  if (measured === null) return []
  const { interval, sampled } = measured
  const notes = interval === undefined ? [] : [cards.successInterval(formatPercent(interval[0], 1), formatPercent(interval[1], 1))]
  if (sampled === undefined) return notes
  const pass = sampled.pass.at(-1)!.estimate.value
  return [...notes, cards.successSampled(formatInteger(sampled.k), formatPercent(sampled.avg.value, 1), formatPercent(pass, 1), formatPercent(sampled.maj.value, 1))]
}

function bestNote({ report: { best } }: RunFeed): string[] {
  if (best === undefined) return []
  const isShare = best.metric === 'success'
  return [messages.cards.best(isShare ? formatPercent(best.value, 1) : `${best.metric} ${formatSignificant(best.value)}`, formatInteger(best.version))]
}

function rateCard({ phase, tokensPerSecond, report: { throughput } }: RunFeed): CardView {
  const { cards } = messages
  const mean = formatRate(throughput.generatedTokensPerSecond)
  const learner = formatRate(throughput.learnerTokensPerSecond)
  if (isOver(phase)) return { id: 'rate', label: cards.meanRate, value: mean, note: cards.meanRateNote(learner) }
  return { id: 'rate', label: cards.rate, value: formatRate(tokensPerSecond), note: cards.rateNote(mean, learner) }
}

function totalRejected(feed: RunFeed): number {
  return Object.values(feed.report.rollouts.rejected).reduce((sum, n) => sum + n, 0)
}

function cardViews(feed: RunFeed): CardView[] {
  const { cards } = messages
  const { reward, lag, throughput, rollouts, dissemination, stalenessBudget } = feed.report
  const latestReward = reward.at(-1)
  const bytes = dissemination.bytesFromOrigin + dissemination.bytesFromPeers
  return [
    successCard(feed),
    {
      id: 'reward',
      label: cards.reward,
      value: latestReward === undefined ? NOT_YET : formatSignificant(latestReward),
      note: reward[0] === undefined ? cards.rewardUnknown : cards.rewardFrom(formatSignificant(reward[0]))
    },
    { id: 'lag', label: cards.lag, value: cards.lagValue(formatDecimal(lag.mean, 2), formatInteger(lag.max)), note: cards.lagNote(formatInteger(stalenessBudget)) },
    rateCard(feed),
    { id: 'busy', label: cards.busy, value: formatPercent(throughput.learnerBusyFraction), note: cards.busyNote },
    {
      id: 'rollouts',
      label: cards.rollouts,
      value: formatInteger(rollouts.finished ?? rollouts.accepted),
      note:
        rollouts.finished === undefined
          ? cards.rolloutsNote(formatInteger(rollouts.stale), formatInteger(totalRejected(feed)))
          : cards.rolloutsOfTurnsNote(formatInteger(rollouts.accepted), formatInteger(rollouts.stale), formatInteger(totalRejected(feed)))
    },
    { id: 'flow', label: cards.flow, value: cards.flowValue(formatInteger(feed.inFlight), formatInteger(feed.buffered)), note: cards.flowNote(formatInteger(rollouts.leased)) },
    {
      id: 'spread',
      label: cards.spread,
      value: bytes === 0 ? NOT_YET : formatPercent(dissemination.bytesFromPeers / bytes),
      note: cards.spreadNote(formatBytes(dissemination.bytesFromPeers), formatBytes(dissemination.bytesFromOrigin), dissemination.versions)
    }
  ]
}

function rolloutViews(feed: RunFeed): RolloutView[] {
  const text = messages.rollouts
  return feed.latestRollouts.map(rollout => ({
    id: rollout.id,
    episode: shownEpisode(rollout),
    outcome: rollout.outcome,
    outcomeLabel: runMessages.outcome[rollout.outcome],
    reward: rollout.reward === null ? null : text.reward(formatSignificant(rollout.reward)),
    reason: rollout.reason === null ? null : describeRejection(rollout.reason),
    version: text.version(formatInteger(rollout.version)),
    peer: text.peer(shortPeerId(rollout.peer))
  }))
}

function rejectionViews(feed: RunFeed): RunView['rejections'] {
  return Object.entries(feed.report.rollouts.rejected)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => ({ reason, label: describeRejection(reason), count }))
    .toSorted((a, b) => b.count - a.count)
}

function emptyView({ connection, description }: SessionSnapshot): EmptyView {
  const { empty } = messages
  const view = (words: { headline: string; explanation: string }, command: string | null = null): EmptyView => ({
    kind: 'empty',
    documentTitle: messages.documentTitle(messages.emptyTitle, runMessages.connection[connection]),
    ...words,
    command
  })
  if (connection === 'offline' || connection === 'refused') return view(empty[connection])
  if (description !== undefined) return view(empty.noReport(description.run))
  return connection === 'connecting' ? view(empty.connecting) : view(empty.noRun, empty.startCommand)
}

export function dashboardView(snapshot: SessionSnapshot): DashboardView {
  const { feed, connection } = snapshot
  if (feed === undefined) return emptyView(snapshot)
  // What was told of another run is not this one's.
  const coverage = snapshot.coverage?.run === feed.report.run ? snapshot.coverage : undefined
  const header = headerView(feed)
  return {
    kind: 'run',
    documentTitle: messages.documentTitle(header.run, connection === 'online' ? header.phaseLabel : runMessages.connection[connection]),
    header,
    cards: cardViews(feed),
    charts: chartModels(feed),
    peers: peersView(feed),
    links: linksView(feed),
    layers: coverage === undefined ? null : layersView(coverage),
    requests: coverage === undefined ? [] : requestViews(coverage),
    breaks: coverage === undefined ? [] : breakViews(coverage),
    task: feed.task,
    rollouts: rolloutViews(feed),
    rejections: rejectionViews(feed)
  }
}
