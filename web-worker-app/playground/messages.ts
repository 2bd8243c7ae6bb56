/** Every sentence of the playground. */
const tabs = (n: string) => (n === '1' ? '1 tab' : `${n} tabs`)

export const messages = {
  documentTitle: 'Playground · Murmuration',
  headline: 'Ask the swarm',
  what: 'Your prompt goes through the same API as any program’s, and tabs of volunteers answer it. They see its tokens, and so does the server: send nothing private.',

  form: {
    title: 'Your question',
    model: 'Model',
    newest: (run: string, root: string) => `${run} (newest: version ${root.split('@').at(-1)})`,
    prompt: 'Prompt',
    ofRun: 'Use a prompt of the run',
    temperature: 'Temperature',
    maxTokens: 'Most tokens',
    seed: 'Seed',
    seedHint: 'random',
    key: 'API key',
    keyHint: 'Kept by this page only as long as it is open.',
    ask: 'Ask',
    stop: 'Stop',
    shortcut: 'Ctrl + Enter'
  },

  noModel: {
    connecting: 'Looking for models…',
    none: 'No run is open at the moment. A model appears here as soon as a trainer opens one.',
    unreachable: 'The server cannot be reached. Trying again as soon as it is back.',
    failed: 'The server does not say which models there are:'
  },

  answer: {
    title: 'Answer',
    none: 'Nothing asked yet.',
    waiting: 'Waiting for the first token…',
    answering: 'Answering…',
    end: {
      stop: 'Complete.',
      length: 'The length limit ended it.',
      stopped: 'Stopped by you.',
      cut_off: 'Cut off: the connection broke before the end.',
      refused: 'Not answered.',
      broken: 'Broken off.'
    },
    tokens: (n: string) => (n === '1' ? '1 token' : `${n} tokens`),
    figures: 'Figures of this answer',
    first: 'To the first token',
    rate: 'token/s',
    count: 'Tokens',
    model: 'Model',
    legend: 'Shading: how likely the model held each token',
    likelihood: ['below 5 %', '5 to 20 %', '20 to 50 %', '50 to 90 %', 'above 90 %'],
    table: 'Every token in a table',
    columns: { token: 'Token', probability: 'Probability', logProb: 'Log-prob' },
    noText: '(no text)'
  },

  refusal: {
    invalid_api_key: 'This server wants an API key. Enter yours and ask again.',
    loopback_only: 'This server has no API keys, so its API answers only on its own machine. Its operator can set keys.',
    model_not_found: 'This model is not served any more. Choose another one.',
    too_many_requests: 'Too many others are waiting. Try again in a moment.',
    layers_missing: 'Part of the model is missing at the moment:',
    stale_version: 'No tabs have this version together. Choose the newest one.',
    interrupted: 'Too many tabs left while they worked on it. Ask again.',
    shutting_down: 'The server is closing.',
    other: 'The request was refused:'
  },

  chain: {
    title: 'The tabs that answered',
    none: 'The path of an answer is drawn here.',
    unknown: 'The server has not told yet which tabs work on it.',
    forgotten: 'The server no longer keeps the path of this answer.',
    one: (peer: string) => `One tab, ${peer}, holds the whole model: nothing passes from tab to tab.`,
    several: (n: string) => `${tabs(n)}, each with its layers; the last one returns every token to the first.`,
    before: (n: string) => `Before that, ${n === '1' ? 'another chain' : `${n} other chains`} broke; the answer went on from where it was.`,
    stage: (nth: string) => `stage ${nth}`,
    layers: (range: string, one: boolean) => `${one ? 'layer' : 'layers'} ${range}`,
    allLayers: 'all layers',
    latency: (ms: string) => `${ms} per token`,
    unmeasured: 'not measured yet',
    gone: 'gone',
    late: 'late',
    relayed: 'relayed by the server'
  }
} as const
