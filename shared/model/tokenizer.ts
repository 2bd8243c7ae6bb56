import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers'
import { ModelFileError } from './model-file-error.ts'

export interface Tokenizer {
  /** Ids of the text alone: no bos or eos is added. Characters outside the vocabulary follow the tokenizer's own rule. */
  encode(text: string): number[]
  /** The text of all ids, special tokens included unless `skipSpecial`; no spaces are added or cleaned up. */
  decode(ids: Iterable<number>, options?: { readonly skipSpecial: boolean }): string
}

/**
 * @param json the parsed `tokenizer.json`
 * @param where names the file in errors
 * @throws {ModelFileError} when the file is not a tokenizer that the library reads
 */
export function loadTokenizer(json: unknown, where: string): Tokenizer {
  const inner = construct(json, where)
  return {
    encode: text => inner.encode(text, { add_special_tokens: false }).ids,
    decode: (ids, options) => {
      const list = [...ids]
      if (list.length === 0) return ''
      return inner.decode(list, { skip_special_tokens: options?.skipSpecial ?? false, clean_up_tokenization_spaces: false })
    }
  }
}

function construct(json: unknown, where: string): HuggingFaceTokenizer {
  if (typeof json !== 'object' || json === null) throw new ModelFileError(where, 'not a JSON object; use the tokenizer.json of the model')
  try {
    return new HuggingFaceTokenizer(json, {})
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : 'unreadable'
    throw new ModelFileError(where, `the tokenizer cannot be loaded (${reason}); use the tokenizer.json of the model`)
  }
}
