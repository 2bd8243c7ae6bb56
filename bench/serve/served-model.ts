/** Publishes the shipped model as a run that nobody trains, through the trainer's own code. */
import { signingKeyFrom } from '#shared/crypto/signature.ts'
import { groupTensors } from '#shared/dissemination/tensor-groups.ts'
import { toHuggingFaceConfig } from '#shared/model/config.ts'
import { PolicyPublisher } from '#trainer/coordinator/policy-publisher.ts'
import { ServerConnection } from '#trainer/coordinator/server-connection.ts'
import { signPolicy } from '#trainer/coordinator/signed-policy.ts'
import { publishOnly } from '#trainer/testing/publish-only.ts'
import { readModel, readTokenizerText } from '#trainer/model-files.ts'

const MODEL = 'public/models/murmuration-tiny'
export const RUN = 'serve-bench'
/** Generations of one length are wanted: a token that the model never draws ends them. */
const NEVER_DRAWN = 0

/** @returns once tabs can join; closes the run */
export async function publishModel(url: string, token: string): Promise<() => Promise<void>> {
  const { config, weights } = await readModel(MODEL)
  const key = signingKeyFrom(new Uint8Array(32).fill(11))
  const base = signPolicy({ run: RUN, version: 0, parent: null, kind: 'full', groups: groupTensors(weights) }, key)
  const description = {
    run: RUN,
    goal: 'To measure how questions are answered.',
    mode: 'async' as const,
    stalenessBudget: 1,
    model: toHuggingFaceConfig({ ...config, eosTokenIds: [NEVER_DRAWN] }),
    lora: { rank: 8, alpha: 32, targets: ['q_proj' as const, 'v_proj' as const] },
    publicKey: key.publicKey,
    downloadBytes: 1,
    versionBytes: 2 ** 30
  }
  const tokenizer = await readTokenizerText(MODEL)
  return new Promise((resolve, reject) => {
    const connection: ServerConnection = new ServerConnection(url, token, publishOnly(() => publisher.connected(), reject))
    const publisher = new PolicyPublisher(connection, { url, token }, { description, tokenizer }, base, base, { opened: () => resolve(() => connection.close()), failed: reject })
  })
}
