/** Every sentence of the dashboard. Metric names stay as researchers know them. */
export const messages = {
  documentTitle: (run: string, state: string) => `${run} · ${state} · Murmuration`,
  emptyTitle: 'Dashboard',
  empty: {
    connecting: { headline: 'Connecting to the swarm…', explanation: 'Numbers appear with the first message of the server.' },
    offline: { headline: 'The server cannot be reached', explanation: 'Trying again by itself. If it does not come back, look whether the signaling server is running.' },
    refused: { headline: 'The server does not take this page', explanation: 'It is full or newer than the page. Trying again by itself; reloading may help.' },
    noRun: { headline: 'No run is open', explanation: 'This page shows one as soon as a trainer opens it. To start one on this machine:' },
    noReport: (run: string) => ({ headline: `Run ${run} is open`, explanation: 'Waiting for the first report of the trainer.' }),
    startCommand: 'npm start'
  },
  lost: 'Connection to the server lost. Trying again by itself; these are the last numbers received.',
  held: 'Display held. The run goes on; these numbers do not change until you continue.',
  hold: 'Hold display',
  continue: 'Continue',

  header: {
    mode: 'Mode',
    stalenessBudget: 'Staleness budget S',
    seed: 'Seed',
    updates: 'Updates',
    updatesOf: (done: string, planned: string) => `${done} of ${planned}`,
    elapsed: 'Elapsed',
    progress: 'Learner updates done'
  },

  cards: {
    title: 'Key numbers',
    success: 'Held-out success',
    successChange: (change: string, n: string) => `${change}, n = ${n}`,
    successFirst: (n: string) => `before the first update, n = ${n}`,
    successInterval: (low: string, high: string) => `95 % interval ${low} to ${high}`,
    successSampled: (k: string, avg: string, pass: string, maj: string) => `avg@${k} ${avg}, pass@${k} ${pass}, maj@${k} ${maj}`,
    best: (value: string, version: string) => `best ${value} at version ${version}, kept`,
    successUnknown: 'not measured yet',
    reward: 'Reward',
    rewardFrom: (first: string) => `latest update; first was ${first}`,
    rewardUnknown: 'no update yet',
    lag: 'Lag',
    lagValue: (mean: string, max: string) => `${mean} / ${max}`,
    lagNote: (budget: string) => `mean / max at learning time, S = ${budget}`,
    rate: 'token/s',
    rateNote: (mean: string, learner: string) => `${mean} over the run; learner ${learner}`,
    meanRate: 'Mean token/s',
    meanRateNote: (learner: string) => `over the whole run; learner ${learner}`,
    busy: 'Learner busy',
    busyNote: 'of the run’s time in learner steps',
    rollouts: 'Rollouts',
    rolloutsNote: (stale: string, rejected: string) => `accepted; ${stale} stale, ${rejected} rejected`,
    rolloutsOfTurnsNote: (accepted: string, stale: string, rejected: string) => `finished; of their turns ${accepted} accepted, ${stale} stale, ${rejected} rejected`,
    flow: 'In flight / buffered',
    flowValue: (inFlight: string, buffered: string) => `${inFlight} / ${buffered}`,
    flowNote: (leased: string) => `rollouts now; ${leased} leased so far`,
    spread: 'Bytes from tabs',
    spreadNote: (peers: string, origin: string, versions: number) =>
      `${peers} from tabs, ${origin} from origin, ${versions === 1 ? '1 version' : `${versions} versions`}`
  },

  charts: {
    title: 'Charts',
    update: 'update',
    version: 'version',
    table: 'Table',
    chart: 'Chart',
    tableOf: (chart: string) => `Table: ${chart}`,
    noData: 'Nothing to draw yet.',
    noDataSentence: (chart: string) => `${chart}: no data yet.`,
    reward: { title: 'Reward per update', series: 'reward', trailing: (n: number) => `mean of ${n}` },
    success: { title: 'Held-out success', series: 'success' },
    lag: { title: 'Lag of rollouts learnt from', x: 'lag', series: 'rollouts' },
    policy: { title: 'Entropy and mismatch KL', entropy: 'entropy (nats)', mismatchKl: 'mismatch KL (right axis)' },
    gradient: { title: 'Gradient norm', series: 'gradient norm' },
    trend: (name: string, from: string, to: string, x: string, first: string, last: string, low: string, high: string) =>
      `${name} went from ${from} at ${x} ${first} to ${to} at ${x} ${last}; lowest ${low}, highest ${high}.`,
    one: (name: string, value: string, x: string, at: string) => `${name} is ${value} at ${x} ${at}.`,
    histogram: (total: string, mean: string, max: string, commonest: string) => `${total} rollouts learnt from, at a mean lag of ${mean} and at most ${max}; the commonest lag is ${commonest}.`
  },

  peers: {
    title: 'Peers',
    table: 'Table of peers',
    none: 'No tab is in this run yet. Open the volunteer page in a browser to add one.',
    summary: (here: string, gone: string) => `${here} here, ${gone} gone`,
    more: (n: string) => `${n} more not shown.`,
    gone: 'gone',
    columns: {
      id: 'Peer',
      engine: 'Engine',
      state: 'State',
      version: 'Version',
      rate: 'token/s',
      tokens: 'Tokens',
      accepted: 'Accepted',
      rejected: 'Rejected',
      links: 'Links',
      origin: 'From origin',
      peers: 'From tabs'
    },
    versionsHeld: 'Version held',
    holders: (version: string, n: number) => `v${version}: ${n === 1 ? '1 tab' : `${n} tabs`}`,
    noVersion: (n: number) => `none yet: ${n === 1 ? '1 tab' : `${n} tabs`}`
  },

  links: {
    title: 'Links between tabs',
    table: 'Table of links',
    none: 'No two tabs are linked.',
    more: (n: string) => `${n} more not shown.`,
    columns: { from: 'Tab', to: 'To tab', path: 'Path', roundTrip: 'Round trip', sent: 'Sent', received: 'Received' }
  },

  rollouts: {
    title: 'Latest rollouts',
    none: 'No rollout has come back yet.',
    noneOfKind: 'None of the latest rollouts is of this kind.',
    filter: 'Show',
    all: 'All',
    reward: (reward: string) => `reward ${reward}`,
    version: (version: string) => `version ${version}`,
    peer: (peer: string) => `peer ${peer}`
  },

  rejections: {
    title: 'Rejected by reason',
    none: 'No rollout has been rejected.',
    reason: 'Reason',
    count: 'Rollouts'
  }
} as const
