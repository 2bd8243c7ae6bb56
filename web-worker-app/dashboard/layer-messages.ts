/** Every sentence of the dashboard about layers and the requests that pass through them. */
import type { BREAK_CAUSES, HOST_STATES, REQUEST_ENDS } from '#shared/protocol/layer-coverage.ts'
import type { MissingReason } from '#shared/scheduling/missing-layers.ts'

const tabs = (n: string) => (n === '1' ? '1 tab' : `${n} tabs`)
const layers = (n: string) => (n === '1' ? '1 layer' : `${n} layers`)
const sequences = (n: string) => (n === '1' ? '1 sequence' : `${n} sequences`)
const requests = (n: string) => (n === '1' ? '1 request waits' : `${n} requests wait`)

export const layerMessages = {
  title: 'Layers',
  summary: (n: string, hosts: string) => `${layers(n)}, ${tabs(hosts)}`,
  inState: { ready: n => `${n} ready`, assigned: n => `${n} loading`, late: n => `${n} late` } satisfies Record<HostState, (n: string) => string>,
  nobody: 'No tab is here to hold them. Open the volunteer page in a browser to add one.',

  wholeModel: (n: string, ofModel: string) =>
    `${n === '1' ? '1 tab holds' : `${n} tabs hold`} the whole model (${layers(ofModel)}): every request is served by one tab, and none passes from tab to tab.`,
  without: (n: string) => `${tabs(n)} ${n === '1' ? 'holds' : 'hold'} nothing, because nothing that is needed fits.`,

  spared: 'spared: answers grow no slower without it',

  served: (open: string) => `Every layer is served: ${open === '1' ? '1 pipeline is open' : `${open} pipelines are open`}.`,
  opening: 'Every layer has a tab. Their pipeline opens as soon as they are ready and linked.',
  waiting: (n: string) => `${requests(n)} for a pipeline.`,
  missing: (range: string, one: boolean) => `${one ? 'Layer' : 'Layers'} ${range} cannot be served:`,
  missingReason: {
    absent_peer: 'no ready tab holds this part of the model. One more tab would help: open the volunteer page on another device.',
    no_memory: 'the tabs that are here have no memory left for this part of the model. A device with more free memory would help.',
    no_link: 'tabs hold this part of the model, but no link leads to all of them. Tabs in one network would help, or a relay that all of them reach.',
    stale_version: 'tabs hold this part of the model, but not at the version that is asked for. They are downloading it, so there is nothing to do.'
  } satisfies Record<MissingReason, string>,

  picture: {
    title: 'Ready tabs for each layer:',
    sentence: (parts: string) => `Ready tabs for each layer: ${parts}.`,
    part: (range: string, n: string) => `${range}: ${n === '0' ? 'none' : n}`,
    range: (least: string, most: string) => (least === most ? most : `${least} to ${most}`),
    axis: (layer: string) => `layer ${layer}`
  },

  table: 'Table of layers and tabs',
  note: 'A tab that is loading takes no requests yet. A late one has missed heartbeats, or computes for too long.',
  columns: { stage: 'Stage', peer: 'Peer', layers: 'Layers', state: 'State', latency: 'ms/token', inFlight: 'In flight', next: 'To the next' },
  state: { ready: 'ready', assigned: 'loading', late: 'late' } satisfies Record<HostState, string>,
  idle: 'idle',
  path: { link: 'direct', relay: 'relayed' },
  more: (n: string) => `${tabs(n)} more not shown.`,
  group: {
    pipeline: (id: string) => `Pipeline ${id}`,
    whole: 'Tabs with the whole model',
    standby: 'In no pipeline: standing by',
    idle: 'Nothing that is needed fits'
  },
  open: 'open',
  notOpen: 'not open yet',
  latency: (ms: string) => `${ms} of computing per token`,
  inFlight: (n: string) => `${sequences(n)} in flight`,
  versions: (newest: string, older: number) => `version ${newest}${older === 0 ? '' : ` and ${older} older`}`,
  noVersion: 'no version that all its tabs hold',

  requests: {
    title: 'Latest requests',
    through: (first: boolean) => (first ? 'through' : 'then through'),
    hop: (peer: string, range: string) => `${peer}: ${range}`,
    allLayers: 'all layers',
    hopsHidden: (n: string) => `${n} more`,
    nowhere: 'No tab worked on it.',
    tokens: (n: string) => (n === '1' ? '1 token' : `${n} tokens`),
    first: (ms: string) => `first after ${ms}`,
    total: (ms: string) => `${ms} in all`,
    soFar: (ms: string) => `${ms} so far`,
    version: (version: string) => `version ${version}`,
    end: { stop: 'Complete', length: 'Length limit', given_up: 'Given up', refused: 'Refused' } satisfies Record<(typeof REQUEST_ENDS)[number], string>,
    running: 'Running'
  },

  breaks: {
    title: 'Latest breaks',
    what: (peer: string, cause: string, pipeline: string) => `${peer} ${cause}, pipeline ${pipeline}`,
    cause: {
      left: 'left',
      silent: 'fell silent',
      slow: 'was too slow',
      link_lost: 'lost its link to a neighbour',
      fault: 'gave up its place'
    } satisfies Record<(typeof BREAK_CAUSES)[number], string>,
    detected: (ms: string) => `noticed after ${ms}`,
    recovered: (ms: string) => `going on after ${ms} more`,
    waiting: 'not going on yet',
    sequences
  }
} as const

type HostState = (typeof HOST_STATES)[number]
