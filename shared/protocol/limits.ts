/** Every size and count that a peer could otherwise choose for us. Sizes in bytes. */
export const LIMITS = {
  /** socket.io frame: 256 rollouts of 1,024 tokens with log-probs, as JSON, stay below it. */
  socketMessageBytes: 8 * 1024 * 1024,
  /** WebRTC offers and answers with data channels only are below 2 kB; candidates are smaller. */
  signalBytes: 16 * 1024,
  chunkBytes: 1024 * 1024,
  /** Adapters and deltas are cut finer, so that relaying starts earlier. */
  adapterChunkBytes: 256 * 1024,
  /** A data-channel message of a piece: hidden states wait until the one that is being sent has left whole, 3 ms at 20 Mb/s. */
  pieceBytes: 8 * 1024 - 64,
  /** A data-channel message of hidden states. */
  stageFragmentBytes: 16 * 1024 - 64,
  chunksPerManifest: 16_384,
  /** What one tab may tell another that it has: several versions of the largest kind. */
  chunksHeldByPeer: 65_536,
  /** On a data channel: below 16 KiB as text. */
  hashesPerMessage: 200,
  groupsPerManifest: 1_024,
  /** Manifests that come along with one that is published as a delta. */
  ancestorsPerPolicy: 16,
  /** What the origin has of one: weights and all deltas on the way. */
  chunksPerPolicy: 65_536,
  /** Named by a tab that asks what it may take from the origin. */
  chunksInGrantRequest: 32,
  tensorsPerGroup: 64,
  /** Bytes that the origin keeps for one run. */
  originBytesPerRun: 8 * 1024 * 1024 * 1024,
  /** tokenizer.json as it stands in a message, which escapes its quotes. */
  tokenizerBytes: 6 * 1024 * 1024,
  tokensPerRollout: 8_192,
  turnsPerRollout: 64,
  taskName: 64,
  /** Of a data-backed task; characters of a question or an answer. */
  questions: 1_000_000,
  questionText: 20_000,
  rolloutsPerLease: 1_024,
  rolloutsPerSubmission: 256,
  promptsPerLease: 256,
  /** Hidden states of a micro-batch's longest prefill that one work may carry. */
  stageFrameBytes: 64 * 1024 * 1024,
  rowsPerMicroBatch: 1_024,
  layers: 1_024,
  linksPerPeer: 12,
  /** Chromium allows 500 WebRTC connections per renderer process, closed ones included until they are collected. */
  connectionsPerPage: 400,
  iceServers: 8,
  /** Links, and the two neighbours in a pipeline. */
  pathsPerPeer: 14,
  /** A feed with the links of ten thousand tabs would be larger than a message may be. */
  pathsInFeed: 4_096,
  peersPerRun: 10_000,
  pointsPerSeries: 4_096,
  /** pass@j: as many j as powers of two up to k, and k. */
  passSeries: 16,
  rolloutsInFeed: 24,
  requestsInCoverage: 24,
  /** Requests of people that wait for a free pipeline. */
  requestsWaiting: 1_024,
  textInFeed: 2_048
} as const
