/** What holds for every rollout of a run. */
export interface RunTerms {
  readonly run: string
  readonly runSecret: Uint8Array
  readonly maxTokens: number
  readonly vocabSize: number
  readonly eosTokenIds: readonly number[]
}
