import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-common'
import { buildInferenceSlice, SLICE_PORTS } from '../graph/inference-slice.ts'
import type { DecoderConfig } from '../model/config.ts'
import { loraTensors, type LoraConfig } from '../model/lora.ts'
import { elementCount, type Tensors } from '../model/tensor.ts'
import { sliceTensors, wholeModel, type ModelSlice, type TensorSpec } from '../model/tensor-names.ts'
import { KvBlocks } from './kv-blocks.ts'
import type { OrtRuntime } from './ort-runtime.ts'
import type { EngineKind, KvCache, SliceEngine, SliceInput, SliceOutput } from './slice-engine.ts'
import { arrayMemory, type MemoryBlock, type TensorMemory } from './tensor-memory.ts'

export interface OrtSliceEngineOptions {
  readonly runtime: OrtRuntime
  readonly kind: EngineKind
  readonly config: DecoderConfig
  /** At least the tensors of the slice. */
  readonly weights: Tensors
  /** Shapes of the adapters to come; left out when the run trains all parameters. */
  readonly lora?: LoraConfig
  /** The whole model unless given. */
  readonly slice?: ModelSlice
  readonly sessionOptions: InferenceSession.SessionOptions
  /** GPU buffers; required by kind `webgpu` and only by it. */
  readonly gpuMemory?: TensorMemory
}

/**
 * A slice on any onnxruntime. On WebGPU weights, adapter and cache live in GPU buffers and are inputs of the graph; on
 * WASM and Node the base weights are initializers, which onnxruntime packs for its matrix products.
 * @throws when onnxruntime cannot make the session
 */
export async function createOrtSliceEngine(options: OrtSliceEngineOptions): Promise<SliceEngine> {
  const engine = new OrtSliceEngine(options)
  await engine.setWeights(options.weights)
  await engine.setAdapter(undefined)
  return engine
}

class OrtSliceEngine implements SliceEngine {
  readonly kind: EngineKind
  readonly config: DecoderConfig
  readonly slice: ModelSlice
  readonly #options: OrtSliceEngineOptions
  readonly #memory: TensorMemory
  /** onnxruntime writes the cache where it is; WASM returns copies, so only the new tokens' keys and values are asked for. */
  readonly #updatesInPlace: boolean
  readonly #weightBlocks = new Map<string, MemoryBlock>()
  readonly #adapterBlocks = new Map<string, MemoryBlock>()
  readonly #feeds: Record<string, OrtTensor> = {}
  #session: InferenceSession | undefined
  #busy = false

  constructor(options: OrtSliceEngineOptions) {
    if ((options.kind === 'webgpu') !== (options.gpuMemory !== undefined)) throw new TypeError('gpuMemory belongs to kind webgpu')
    this.kind = options.kind
    this.config = options.config
    this.slice = options.slice ?? wholeModel(options.config)
    this.#options = options
    this.#memory = options.gpuMemory ?? arrayMemory(options.runtime)
    this.#updatesInPlace = options.kind !== 'wasm'
  }

  async setWeights(weights: Tensors): Promise<void> {
    const { config, slice } = this
    const lora = this.#options.lora === undefined ? {} : { lora: this.#options.lora }
    if (this.kind === 'webgpu') {
      this.#session ??= await this.#createSession(buildInferenceSlice(config, slice, lora))
      this.#store(this.#weightBlocks, sliceTensors(config, slice), weights)
    } else {
      const session = await this.#createSession(buildInferenceSlice(config, slice, { ...lora, embeddedWeights: weights, outputs: this.#updatesInPlace ? 'whole cache' : 'new tokens' }))
      await this.#session?.release()
      this.#session = session
    }
  }

  async setAdapter(adapter: Tensors | undefined): Promise<void> {
    const { lora } = this.#options
    if (lora === undefined) {
      if (adapter !== undefined) throw new TypeError('this engine was made without an adapter')
    } else {
      this.#store(this.#adapterBlocks, loraTensors(this.config, lora, this.slice.start, this.slice.end), adapter)
    }
  }

  /** Writes tensors to their blocks and feeds; without tensors, zeros. */
  #store(blocks: Map<string, MemoryBlock>, specs: readonly TensorSpec[], tensors: Tensors | undefined): void {
    for (const { name, shape } of specs) {
      const elements = elementCount(shape)
      const data = tensors === undefined ? new Float32Array(elements) : tensors.get(name)?.data
      if (data?.length !== elements) throw new TypeError(`tensor ${name} is missing or not [${shape}]`)
      const block = blocks.get(name) ?? this.#memory.allocate(elements)
      blocks.set(name, block)
      block.write(data)
      this.#feeds[name] = block.tensor(shape)
    }
  }

  async #createSession(model: Uint8Array): Promise<InferenceSession> {
    const { runtime, sessionOptions } = this.#options
    return runtime.InferenceSession.create(model, sessionOptions)
  }

  createCache(rows: number, capacity: number): KvCache {
    return new KvBlocks(this.#memory, this.config, this.slice, rows, capacity)
  }

  async forward(input: SliceInput, cache: KvCache): Promise<SliceOutput> {
    if (this.#session === undefined) throw new Error('the engine was released')
    if (this.#busy) throw new Error('forward was called while another call runs')
    if (!(cache instanceof KvBlocks)) throw new TypeError('the cache belongs to another kind of engine')
    this.#busy = true
    try {
      return await this.#run(this.#session, input, cache)
    } finally {
      this.#busy = false
    }
  }

  async #run(session: InferenceSession, input: SliceInput, cache: KvBlocks): Promise<SliceOutput> {
    const { Tensor } = this.#options.runtime
    const { rows, steps, lengths } = input
    const longest = checkInput(input, cache)
    const feeds: Record<string, OrtTensor> = {
      ...this.#feeds,
      [SLICE_PORTS.sequenceShape]: new Tensor('int64', BigInt64Array.of(BigInt(rows), BigInt(steps), -1n), [3]),
      [SLICE_PORTS.lastPosition]: new Tensor('int32', lengths.map(length => length - 1), [rows]),
      [SLICE_PORTS.totalLength]: new Tensor('int32', Int32Array.of(longest), [1])
    }
    const fetches: Record<string, OrtTensor | null> = {}
    if (this.slice.embed) feeds[SLICE_PORTS.tokens] = new Tensor('int32', given(input.tokens, 'tokens', rows * steps), [rows * steps])
    else feeds[SLICE_PORTS.hidden] = new Tensor('float32', given(input.hidden, 'hidden', rows * steps * this.config.hiddenSize), [rows * steps, this.config.hiddenSize])
    if (this.slice.head) {
      const logitRows = given(input.logitRows, 'logitRows')
      feeds[SLICE_PORTS.logitRows] = new Tensor('int32', logitRows, [logitRows.length])
      fetches[SLICE_PORTS.logits] = null
    } else {
      fetches[SLICE_PORTS.hiddenOut] = null
    }
    this.#memory.submit()
    const ports = this.#cachePorts()
    for (const [index, { past, present, added }] of ports.entries()) {
      const tensor = cache.tensor(index, rows)
      feeds[past] = tensor
      if (this.#updatesInPlace) fetches[present] = tensor
      else fetches[added] = null
    }
    // At the start all rows begin the cache, however long they are.
    const positions = steps > 1 ? new Int32Array(rows) : lengths.map(length => length - 1)
    if (!this.#updatesInPlace) feeds[SLICE_PORTS.newPositions] = this.#newPositions(positions, steps)
    const results = await session.run(feeds, fetches)
    if (!this.#updatesInPlace) {
      for (const [index, { added }] of ports.entries()) cache.writeTokens(index, floats(results[added]), steps, positions)
    }
    return this.slice.head ? { logits: floats(results[SLICE_PORTS.logits]) } : { hidden: floats(results[SLICE_PORTS.hiddenOut]) }
  }

  /** One for each block of the cache, in their order. */
  #cachePorts(): { readonly past: string; readonly present: string; readonly added: string }[] {
    const ports = []
    for (let layer = this.slice.start; layer < this.slice.end; layer++) {
      ports.push(
        { past: SLICE_PORTS.pastKey(layer), present: SLICE_PORTS.presentKey(layer), added: SLICE_PORTS.newKey(layer) },
        { past: SLICE_PORTS.pastValue(layer), present: SLICE_PORTS.presentValue(layer), added: SLICE_PORTS.newValue(layer) }
      )
    }
    return ports
  }

  /** @param first position of each row's first new token */
  #newPositions(first: Int32Array, steps: number): OrtTensor {
    const { kvHeads } = this.config
    const positions = new BigInt64Array(first.length * kvHeads * steps)
    for (let index = 0; index < positions.length; index++) positions[index] = BigInt(first[Math.floor(index / (kvHeads * steps))]! + (index % steps))
    return new this.#options.runtime.Tensor('int64', positions, [first.length, kvHeads, steps, 1])
  }

  async release(): Promise<void> {
    await this.#session?.release()
    this.#session = undefined
    for (const block of [...this.#weightBlocks.values(), ...this.#adapterBlocks.values()]) block.release()
  }
}

/** @returns the largest number of tokens in the cache after the call */
function checkInput({ rows, steps, lengths }: SliceInput, cache: KvBlocks): number {
  if (rows < 1 || rows > cache.rows || lengths.length !== rows) throw new RangeError(`${rows} rows with ${lengths.length} lengths in a cache of ${cache.rows} rows`)
  // At the start the padded batch counts, not its longest row: onnxruntime tells a start from a continuation by it.
  const longest = steps > 1 ? steps : Math.max(...lengths)
  if (longest > cache.capacity) throw new RangeError(`${longest} tokens do not fit in a cache of ${cache.capacity}`)
  if (lengths.some(length => length < 1 || length > longest)) throw new RangeError('a row is empty or longer than the tokens it was given')
  return longest
}

function given<T extends Int32Array | Float32Array>(data: T | undefined, name: string, length = data?.length): T {
  if (data === undefined || data.length !== length) throw new TypeError(`${name}: ${data?.length ?? 'no'} elements where the slice needs ${length ?? 'some'}`)
  return data
}

function floats(tensor: OrtTensor | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError('onnxruntime returned no float32 tensor')
  return tensor.data
}
