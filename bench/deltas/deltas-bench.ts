/** How much of a whole model a delta of it is, for versions that the project's own learner makes, beside a general compressor on the same weights. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { roundToBfloat16 } from '#trainer/learner/precision.ts'
import { concatenateTensors } from '#shared/dissemination/tensor-groups.ts'
import { decodeDelta, encodeDelta } from '#shared/dissemination/weight-delta.ts'
import { median, type Benchmark, type BenchmarkResult, type Cell } from '../benchmark.ts'
import { trainedVersions } from './trained-versions.ts'

const UPDATES = 20
/** The first step of AdamW is the sign of the gradient, the same for all weights; those measured after it are like any later one. */
const MEASURED = [1, 2, 5, 10, 15, 20]
const LEARNING_RATES = [1e-3, 1e-4, 1e-5, 1e-6]

type Bytes = Uint8Array<ArrayBuffer>

interface Coder {
  readonly encode: (parent: Bytes, child: Bytes) => Bytes
  readonly decode: (parent: Bytes, delta: Bytes) => Bytes
}

const CODERS = {
  delta: {
    encode: encodeDelta,
    decode: (parent, delta) => {
      const answer = decodeDelta(parent, delta)
      if (answer.kind === 'refused') throw new Error(answer.detail)
      return answer.child
    }
  },
  /** What storage formats do with floats: bytes of like significance side by side, then DEFLATE. */
  'xor, byte planes, deflate': {
    encode: (parent, child) => new Uint8Array(deflateRawSync(bytePlanes(xor(parent, child)), { level: 6 })),
    decode: (parent, delta) => xor(parent, fromBytePlanes(new Uint8Array(inflateRawSync(delta))))
  },
  'child alone, byte planes, deflate': {
    encode: (_, child) => new Uint8Array(deflateRawSync(bytePlanes(child), { level: 6 })),
    decode: (_, delta) => fromBytePlanes(new Uint8Array(inflateRawSync(delta)))
  }
} satisfies Record<string, Coder>
type CoderName = keyof typeof CODERS
const NAMES = Object.keys(CODERS) as CoderName[]

interface Measured {
  readonly share: number
  readonly encodeMs: number
  readonly decodeMs: number
}

function xor(left: Bytes, right: Bytes): Bytes {
  const others = new Uint32Array(right.buffer, right.byteOffset, right.byteLength / 4)
  return new Uint8Array(new Uint32Array(left.buffer, left.byteOffset, left.byteLength / 4).map((bits, at) => bits ^ others[at]!).buffer)
}

function bytePlanes(bytes: Bytes): Bytes {
  const weights = bytes.byteLength / 4
  return new Uint8Array(bytes.byteLength).map((_, at) => bytes[(at % weights) * 4 + Math.floor(at / weights)]!)
}

function fromBytePlanes(planes: Bytes): Bytes {
  const weights = planes.byteLength / 4
  return new Uint8Array(planes.byteLength).map((_, at) => planes[(at % 4) * weights + (at >> 2)]!)
}

function roundedToBfloat16(bytes: Bytes): Bytes {
  const weights = new Float32Array(bytes.slice().buffer)
  roundToBfloat16(weights, weights)
  return new Uint8Array(weights.buffer)
}

function changedShare(parent: Bytes, child: Bytes): number {
  const weights = new Uint32Array(xor(parent, child).buffer)
  return weights.filter(bits => bits !== 0).length / weights.length
}

function measure({ encode, decode }: Coder, parent: Bytes, child: Bytes): Measured {
  const began = performance.now()
  const delta = encode(parent, child)
  const encoded = performance.now()
  const back = decode(parent, delta)
  const decoded = performance.now()
  if (!Buffer.from(back.buffer).equals(Buffer.from(child.buffer, child.byteOffset, child.byteLength))) throw new Error('a delta did not give the child')
  return { share: delta.byteLength / child.byteLength, encodeMs: encoded - began, decodeMs: decoded - encoded }
}

interface Published {
  readonly precision: 'float32' | 'rounded to bfloat16'
  readonly changed: number[]
  readonly measured: Record<CoderName, Measured[]>
}

function published(precision: Published['precision']): Published {
  return { precision, changed: [], measured: { delta: [], 'xor, byte planes, deflate': [], 'child alone, byte planes, deflate': [] } }
}

async function measureRun(learningRate: number): Promise<{ readonly as: readonly Published[]; readonly bytes: number }> {
  const [full, rounded] = [published('float32'), published('rounded to bfloat16')]
  let parent: Bytes | undefined
  let version = 0
  for await (const tensors of trainedVersions(UPDATES, learningRate)) {
    const child = concatenateTensors(tensors)
    if (parent !== undefined && MEASURED.includes(version)) {
      for (const [as, from, to] of [[full, parent, child], [rounded, roundedToBfloat16(parent), roundedToBfloat16(child)]] as const) {
        as.changed.push(changedShare(from, to))
        for (const name of NAMES) as.measured[name].push(measure(CODERS[name], from, to))
      }
    }
    parent = child
    version++
  }
  return { as: [full, rounded], bytes: parent!.byteLength }
}

async function run(log: (line: string) => void): Promise<BenchmarkResult> {
  const rows: Record<string, Cell>[] = []
  const headline: Record<string, number> = {}
  for (const learningRate of LEARNING_RATES) {
    log(`${UPDATES} updates of all parameters at a learning rate of ${learningRate}`)
    const { as, bytes } = await measureRun(learningRate)
    for (const { precision, changed, measured } of as) {
      const of = (name: CoderName, what: keyof Measured): number => median(measured[name].map(each => each[what]))
      rows.push({
        'learning rate': String(learningRate),
        'published as': precision,
        'weights changed': median(changed),
        ...Object.fromEntries(NAMES.map(name => [`${name}: share`, of(name, 'share')])),
        'delta, first update': measured.delta[0]!.share,
        'encode MB/s': bytes / 1000 / of('delta', 'encodeMs'),
        'decode MB/s': bytes / 1000 / of('delta', 'decodeMs'),
        'deflate encode MB/s': bytes / 1000 / of('xor, byte planes, deflate', 'encodeMs')
      })
      if (precision === 'float32') headline[`deltaShareAt${learningRate}`] = of('delta', 'share')
    }
  }
  return {
    rows,
    headline,
    notes: [
      `shipped model, two-digit arithmetic, 32 prompts of 8 samples, AdamW as by default; medians over the updates ${MEASURED.join(', ')}`,
      'shares and MB are of the weights as float32; one thread of Node; no version is published rounded: the rows say what it would give'
    ]
  }
}

export const deltasBenchmark: Benchmark = { name: 'deltas', what: 'versions of a run that trains every parameter, as deltas and whole', run }
