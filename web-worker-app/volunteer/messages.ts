/** Every sentence of the volunteer page. Functions where a number or name goes in; nothing else of the page speaks. */
import type { PeerState } from '#shared/protocol/peer-status.ts'
import type { VolunteerReason } from '../session/session-store.ts'

export const messages = {
  headline: 'Lend this tab to a learning swarm',
  what: 'Murmuration teaches a language model in volunteers’ browsers: your tab writes short answers, a trainer checks them and learns from the good ones.',
  goalLabel: 'This run',

  facts: {
    title: 'Before you start',
    download: {
      term: 'Download',
      known: (total: string, model: string) =>
        `At most ${total} the first time: ${model} of model, kept in this browser’s storage, and the compute engine, kept in its cache. Then a small update for each new version.`,
      unknown: 'Shown here as soon as a run is open.'
    },
    engine: {
      term: 'Runs on',
      gpu: 'Your GPU through WebGPU if it passes a short self-test, otherwise one processor core.',
      processor: 'One processor core: this browser offers no WebGPU on this page.'
    },
    work: { term: 'Work', text: 'One background thread, so pages stay responsive. It uses power while it runs: fans may turn up and a battery drains faster.' },
    memory: { term: 'Memory', text: (size: string) => `Up to ${size} for its part of the model. If that is not all of it, your tab computes some layers, and other tabs the rest.` },
    sharing: {
      term: 'Sharing',
      text: 'Passes parts of the model on to other volunteers’ tabs. Tabs linked to yours can see your IP address.',
      hidden: 'Passes parts of the model on to other volunteers’ tabs, by the server’s relay. They do not see your IP address.'
    },
    stopping: { term: 'Stopping', text: 'Pause or stop at any moment. Closing the tab ends everything.' },
    never: { term: 'Never', text: 'Starts by itself, reads your files, uses camera or microphone, mines currency, runs code from other volunteers, or loads anything from third parties.' }
  },

  start: {
    first: 'Start helping',
    again: 'Start again',
    retry: 'Try again',
    reload: 'Reload the page',
    consequence: (size: string) => `up to ${size} to download · stop any time`
  },
  notYet: {
    connecting: 'Connecting to the server…',
    offline: 'The server cannot be reached at the moment. Trying again by itself.',
    refused: 'The server does not take this page: it is full, or newer than the page. Trying again by itself; reloading may help.',
    noRun: 'No run is open at the moment. This page notices when one opens.',
    finished: 'This run has finished, so there is nothing to help with. Thank you for coming.'
  },
  controls: { title: 'Your tab', pause: 'Pause', resume: 'Resume', stop: 'Stop' },

  state: {
    joining: { headline: 'Joining', explanation: 'Saying hello to the server.' },
    fetching: { headline: 'Downloading', explanation: 'Getting the model, from other tabs where possible. Every part is checked before use.' },
    testing: { headline: 'Testing this device', explanation: 'A short self-test makes sure that this device computes the right numbers.' },
    waiting: { headline: 'Ready', explanation: 'Waiting for the next prompts.' },
    generating: { headline: 'Generating', explanation: 'Your tab is writing answers for the trainer.' },
    computing: { headline: 'Computing layers', explanation: 'Your tab holds part of the model. Other tabs send it their numbers, it computes its layers and passes them on.' },
    paused: { headline: 'Paused', explanation: 'Nothing is being computed.' },
    stopped: { headline: 'Not running', explanation: 'Nothing is running, and nothing starts until you say so.' }
  } satisfies Record<PeerState, { headline: string; explanation: string }>,

  reason: {
    not_started: { headline: 'Not running', explanation: 'Nothing is running, and nothing starts until you say so.' },
    user_stopped: { headline: 'Stopped', explanation: 'You stopped it. All work and all links have ended.' },
    self_test_failed: { headline: 'This device cannot help yet', explanation: 'No engine of this browser passed the self-test, so its answers could not be trusted. Another browser may do.' },
    engine_failed: { headline: 'Stopped after two crashes', explanation: 'The engine failed twice on this device, so it was not started again.' },
    page_outdated: { headline: 'This page is out of date', explanation: 'The server has been updated since this page was loaded. Reload it to go on.' },
    refused: { headline: 'The server said no', explanation: 'The server did not let this tab join.' },
    bad_policy: { headline: 'Stopped to be safe', explanation: 'The files of this run are not what its key signed, or cannot be used. Nothing of them was run.' },
    page_left: { headline: 'Stopped', explanation: 'The page was left, which ends all work.' },
    user_paused: { headline: 'Paused', explanation: 'You paused it. Links and model are kept, nothing is being computed.' },
    offline: { headline: 'No connection', explanation: 'There is no connection to the server. Trying again by itself; finished answers are kept.' },
    no_run: { headline: 'No run is open', explanation: 'The server is there, but nothing is being trained. Your tab waits for the next run.' },
    no_work: { headline: 'Ready', explanation: 'The trainer has enough answers for now. Your tab gets more prompts as soon as there are some.' },
    no_layers: { headline: 'Not needed now', explanation: 'Other tabs hold what is needed, or nothing of this model fits into the memory that you lend. Your tab is asked as soon as that changes.' },
    no_place: { headline: 'Waiting for other tabs', explanation: 'Your tab is ready. The tabs with the other layers are not here yet, or still load theirs.' },
    chunks_unreachable: { headline: 'Download interrupted', explanation: 'Part of the model is not to be had at the moment, from tabs or server. Trying again by itself.' },
    engine_unreachable: { headline: 'Download interrupted', explanation: 'The program that computes the model could not be downloaded from the server. Trying again by itself; if that does not help, reload the page.' }
  } satisfies Record<VolunteerReason, { headline: string; explanation: string }>,

  /** Said to a tab that waits for work, where the run has none any more. */
  runOver: {
    finished: { headline: 'Run finished', explanation: 'This run has done all its updates. Thank you! Your tab computes nothing now, and would help the next run.' },
    stopped: { headline: 'Run stopped', explanation: 'The trainer of this run was stopped. Your tab computes nothing now, and goes on by itself if the run does.' }
  },

  download: {
    label: 'Download of the model',
    progress: (done: string, total: string) => `${done} of ${total}`
  },
  figures: {
    tokens: 'Tokens written',
    rate: 'token/s',
    accepted: 'Accepted',
    rejected: 'Rejected',
    version: 'Policy version',
    links: 'Links to tabs',
    layers: 'Layers held',
    engine: 'Runs on'
  },
  layers: (first: number, last: number) => (first === last ? `${first}` : `${first} to ${last}`),
  sources: {
    title: 'Downloaded',
    origin: (size: string) => `${size} from the server`,
    peers: (size: string) => `${size} from other tabs`
  },

  own: {
    title: 'Your latest answers',
    empty: 'They appear here as soon as your tab has finished some.',
    unseenText: (id: string, tokens: number) => `Rollout ${id}, ${tokens} ${tokens === 1 ? 'token' : 'tokens'}`,
    version: (version: number) => `version ${version}`,
    sent: 'The trainer is checking it.',
    accepted: (reward: string) => `Your answer passed every check. Reward ${reward}.`,
    acceptedUnknown: 'Your answer passed every check.',
    stale: 'The model had moved on before it arrived. Nobody’s fault.',
    rejectedUnknown: 'Not used.',
    rejected: (why: string) => `Not used: ${why}.`
  },

  run: {
    title: 'The whole swarm',
    none: 'Its numbers appear here once a run is open.',
    waiting: 'The first numbers arrive when the trainer reports.',
    tabs: (n: number) => (n === 1 ? '1 tab' : `${n} tabs`),
    noTabs: 'No tab is in this run yet.',
    tabsSentence: (n: number, generating: number) => `${n === 1 ? '1 tab is' : `${n} tabs are`} in this run, ${generating} generating now.`,
    flockYours: 'Yours is the amber one.',
    success: 'Solves of unseen tasks',
    successNow: (before: string, latest: string) => `${before} → ${latest}`,
    successBefore: (before: string) => `${before} at the start`,
    successUnknown: 'not measured yet',
    curve: 'Share of unseen tasks solved, from the start until now',
    successSentence: (from: string, to: string, points: number) => `Held-out success went from ${from} to ${to} over ${points} measurements.`,
    updates: 'Learner updates',
    updatesOf: (done: string, planned: string) => `${done} of ${planned}`,
    rate: 'Written per second',
    meanRate: 'Written per second, on average',
    rateValue: (rate: string) => `${rate} tokens`,
    accepted: 'Answers accepted',
    more: 'Open the dashboard'
  },

  links: {
    title: 'Links to other tabs',
    none: 'None at the moment.',
    tab: (id: string) => `Tab ${id}`,
    roundTrip: (time: string) => `${time} there and back`,
    bytes: (sent: string, received: string) => `${sent} sent, ${received} received`
  },

  network: {
    title: 'Your address and the ways out',
    hide: 'Hide my address from other volunteers',
    meaning: 'If on, your tab links to others by this server’s TURN relay only, which is slower. The server itself sees your address, as that of every visitor.',
    whileRunning: 'To change this, stop your tab first.',
    fixed: 'Set by the address of this page.',
    noRelay: 'This server offers no TURN relay to hide your address behind, so your tab links to nobody: all it needs goes through the server.',
    check: 'Check what works from here',
    checking: 'Checking. This takes up to 12 seconds.',
    reached: { works: 'works', blocked: 'does not work', not_offered: 'not offered', unknown: 'not known yet' },
    ways: { socket: 'This server', direct: 'Links in this browser', stun: 'STUN', turn_udp: 'TURN over UDP', turn_tcp: 'TURN over TCP' },
    advice: {
      socket: {
        works: 'The page is connected to it.',
        blocked: 'The page is not connected. If other sites work, a proxy or extension may block WebSocket: allow it for this site.',
        not_offered: '',
        unknown: ''
      },
      direct: {
        works: 'This browser can link to other tabs.',
        blocked: 'This browser makes no WebRTC links: allow them in its settings, or in the extension that forbids them. Until then all goes through the server.',
        not_offered: '',
        unknown: ''
      },
      stun: {
        works: 'Most tabs in other networks can be linked directly.',
        blocked: 'Your network lets no UDP out, so direct links reach only tabs nearby. Allow UDP in the firewall, or rely on TURN over TCP.',
        not_offered: 'This server has none, so direct links reach only tabs in the same network.',
        unknown: 'The server names it when your tab joins: start, then check again.'
      },
      turn_udp: {
        works: 'Tabs that cannot be linked directly are reached by this relay.',
        blocked: 'The relay does not answer. Allow UDP in the firewall, or rely on TURN over TCP.',
        not_offered: 'This server has no such relay. Tabs that cannot be linked directly are not linked.',
        unknown: 'The server names it when your tab joins: start, then check again.'
      },
      turn_tcp: {
        works: 'Links are possible even where UDP is blocked.',
        blocked: 'The relay does not answer. The firewall may allow only web traffic: ask whoever runs it, or go on without links, by the server.',
        not_offered: 'This server has no such relay. Where UDP is blocked, tabs are not linked.',
        unknown: 'The server names it when your tab joins: start, then check again.'
      }
    }
  },

  storage: {
    title: 'Storage in this browser',
    used: (used: string, cap: string) => `${used} of at most ${cap}`,
    base: (size: string) => `${size} of it is base model`,
    cap: 'Keep at most',
    nothing: 'nothing, use memory only',
    capFixed: 'Set by the address of this page.',
    shared: 'All tabs of this site in this browser share it. Only whole parts of a download are kept, each checked: after a reload no more than the 1 MB under way from each source is fetched again.',
    persisted: 'The browser has agreed not to delete it by itself.',
    notPersisted: 'The browser may delete it when its space gets short.',
    memoryOnly: {
      refused: 'This browser keeps nothing for this site: a private window, or storage is switched off. All is in memory, and downloaded again next time.',
      full: 'The browser has no more space for this site. What is new is in memory only, and downloaded again next time.',
      over_cap: 'Your tab needs more than you allow. The rest is in memory only, and downloaded again next time.',
      lost: 'What was stored was deleted while this tab used it. It goes on in memory only; stop and start it to store again.',
      nothing: 'Nothing is stored, as you chose. All is in memory, and downloaded again next time.'
    },
    delete: 'Delete everything…',
    confirm: {
      title: 'Delete everything of this site?',
      text: (size: string) => `This deletes the ${size} of model files and your choices on this page. Your tab stops. Other tabs of this site go on in memory, and store nothing more. There is no account and no identity to delete: a tab gets a new one each time it is loaded.`,
      yes: 'Delete everything',
      no: 'Cancel'
    },
    deletion: {
      deleting: 'Deleting…',
      blocked: 'Another tab of this site holds on to its files. They are deleted as soon as it answers, or is closed.',
      done: 'Deleted. This site keeps nothing in this browser any more, but what is in the browser’s own cache.'
    }
  },
  connectionLost: 'Connection to the server lost. Trying again by itself; the numbers below are the last ones received.',
  documentTitle: (state: string) => `${state} · Murmuration`
} as const
