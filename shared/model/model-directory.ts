import { parseDecoderConfig, type DecoderConfig } from './config.ts'
import { ModelFileError } from './model-file-error.ts'
import { readSafetensorsFiles } from './safetensors.ts'
import { sliceTensors } from './tensor-names.ts'
import { sameShape, type Tensor, type Tensors } from './tensor.ts'
import { loadTokenizer, type Tokenizer } from './tokenizer.ts'
import { decodeUtf8 } from './utf8.ts'

export interface Model {
  readonly config: DecoderConfig
  readonly tokenizer: Tokenizer
  /** Exactly the tensors of `sliceTensors(config)`. */
  readonly weights: Tensors
}

/** Gives a file of the model directory by its name, or undefined when it does not exist. */
export type ReadModelFile = (file: string) => Promise<Uint8Array | undefined>

/**
 * Reads a Hugging Face model directory: `config.json`, `tokenizer.json` and the weights.
 * @throws {ModelFileError} one line: which file is missing, truncated or does not fit, and what to do
 */
export async function readModelDirectory(read: ReadModelFile): Promise<Model> {
  const config = await readDecoderConfig(read)
  const tokenizer = await readTokenizer(read)
  const tensors = await readSafetensorsFiles(read)
  return { config, tokenizer, weights: checkWeights(config, tensors) }
}

export async function readDecoderConfig(read: ReadModelFile): Promise<DecoderConfig> {
  return parseDecoderConfig(await readJson(read, 'config.json'), 'config.json')
}

export async function readTokenizer(read: ReadModelFile): Promise<Tokenizer> {
  return loadTokenizer(await readJson(read, 'tokenizer.json'), 'tokenizer.json')
}

async function readJson(read: ReadModelFile, file: string): Promise<unknown> {
  const bytes = await read(file)
  if (bytes === undefined) throw new ModelFileError(file, 'missing; a model directory needs config.json, tokenizer.json and model.safetensors')
  try {
    return JSON.parse(decodeUtf8(bytes))
  } catch {
    throw new ModelFileError(file, `not valid JSON (${bytes.byteLength} bytes); it may be truncated, download it again`)
  }
}

/** Tied models are often saved with a copy of the embedding as `lm_head.weight`; that and other extras are left out. */
function checkWeights(config: DecoderConfig, tensors: Tensors): Map<string, Tensor> {
  const weights = new Map<string, Tensor>()
  for (const { name, shape } of sliceTensors(config)) {
    const tensor = tensors.get(name)
    if (tensor === undefined) throw new ModelFileError('model.safetensors', `tensor "${name}" is missing; the weights do not belong to config.json`)
    if (!sameShape(tensor.shape, shape)) throw new ModelFileError('model.safetensors', `tensor "${name}" is [${tensor.shape}] where config.json asks for [${shape}]`)
    weights.set(name, tensor)
  }
  return weights
}
