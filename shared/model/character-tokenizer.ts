/**
 * The vocabulary of the shipped model: pad, bos, eos, newline and printable ASCII, one token per character.
 * The special tokens are spelled with Unicode control pictures, which no ASCII text contains, so a prompt cannot
 * smuggle in an end of sequence.
 */
const PAD = '␀'
const BOS = '␂'
const EOS = '␃'

export const PAD_TOKEN_ID = 0
export const BOS_TOKEN_ID = 1
export const EOS_TOKEN_ID = 2

const PRINTABLE = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index))

const VOCABULARY = [PAD, BOS, EOS, '\n', ...PRINTABLE]

export const CHARACTER_VOCABULARY_SIZE = VOCABULARY.length

/**
 * The two tokenizer files. The model is BPE without merges, which leaves single characters in the JavaScript and the
 * Python tokenizers library alike; the Fuse decoder joins them without spaces. Characters outside the vocabulary are dropped.
 */
export function characterTokenizer(): { readonly tokenizerJson: Record<string, unknown>; readonly tokenizerConfigJson: Record<string, unknown> } {
  const special = [PAD, BOS, EOS].map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true
  }))
  return {
    tokenizerJson: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: special,
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: { type: 'Fuse' },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(VOCABULARY.map((token, id) => [token, id])),
        merges: []
      }
    },
    tokenizerConfigJson: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      pad_token: PAD,
      bos_token: BOS,
      eos_token: EOS,
      clean_up_tokenization_spaces: false,
      add_bos_token: false,
      add_eos_token: false
    }
  }
}
