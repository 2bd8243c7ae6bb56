import { promptTokens } from '#shared/environments/turn-tokens.ts'
import type { Tokenizer } from '#shared/model/tokenizer.ts'
import type { ServedRun } from '../../serving-port.ts'
import { fault, type ApiFault } from './api-fault.ts'
import type { ChatRequest, CompletionRequest } from './request-schema.ts'

export type Prompts = { readonly kind: 'prompts'; readonly prompts: readonly (readonly number[])[] } | ApiFault

/** Texts get the model's start token in front, as in training; token ids are taken as they are. */
export function completionPrompts({ prompt }: CompletionRequest, run: ServedRun, tokenizer: Tokenizer | undefined): Prompts {
  const asked = typeof prompt === 'string' || isTokens(prompt) ? [prompt] : prompt
  const prompts: (readonly number[])[] = []
  for (const one of asked) {
    const tokens = typeof one === 'string' ? textTokens(one, run, tokenizer, 'prompt') : one
    if ('kind' in tokens) return tokens
    const outside = tokens.find(token => token >= run.config.vocabSize)
    if (outside !== undefined) return fault('malformed', `token ${outside} is not in the vocabulary, which ends at ${run.config.vocabSize - 1}`, 'prompt')
    prompts.push(tokens)
  }
  return { kind: 'prompts', prompts }
}

/** The models served here have no chat template: the messages' texts, one per line, are the prompt; roles do not enter it. */
export function chatPrompt({ messages }: ChatRequest, run: ServedRun, tokenizer: Tokenizer | undefined): Prompts {
  const texts = messages.map(({ content }) => (typeof content === 'string' ? content : content.map(({ text }) => text).join('')))
  const tokens = textTokens(texts.join('\n'), run, tokenizer, 'messages')
  return 'kind' in tokens ? tokens : { kind: 'prompts', prompts: [tokens] }
}

function textTokens(text: string, { run, config }: ServedRun, tokenizer: Tokenizer | undefined, param: string): number[] | ApiFault {
  if (tokenizer === undefined) return fault('no_tokenizer', `the trainer of ${run} gave no tokenizer that this server can use: send the prompt as token ids`, param)
  const tokens = promptTokens(tokenizer, config.bosTokenId, text)
  const lost = lostCharacters(text, tokenizer.decode(tokens.slice(1)))
  if (lost.length > 0) return fault('not_in_vocabulary', `the model has no token for ${lost.slice(0, 5).map(character => JSON.stringify(character)).join(', ')}`, param)
  return tokens
}

/** What a tokenizer may drop silently. White space is left out: some decoders leave out a leading space. */
function lostCharacters(text: string, decoded: string): string[] {
  const kept = new Set(decoded.normalize('NFKC'))
  return [...new Set(text.normalize('NFKC'))].filter(character => !kept.has(character) && /\S/u.test(character))
}

function isTokens(prompt: readonly unknown[]): prompt is readonly number[] {
  return typeof prompt[0] === 'number'
}
