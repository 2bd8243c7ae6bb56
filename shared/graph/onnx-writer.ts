/**
 * Serialises a graph as an ONNX ModelProto. Only the protobuf fields that our graphs use are written;
 * field numbers are those of onnx/onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto, ValueInfoProto).
 */

export type ElementType = 'float32' | 'int32' | 'int64'

/** A dimension is a number or, when it differs from run to run, a name. */
export type Dimension = number | string

export type Attribute = number | string | readonly number[] | { readonly float: number }

export interface OnnxNode {
  readonly op: string
  /** '' is the standard operator set. */
  readonly domain: '' | 'com.microsoft'
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Numbers are INT attributes; `{ float }` is a FLOAT attribute. */
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface OnnxPort {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly Dimension[]
}

export interface OnnxInitializer {
  readonly name: string
  readonly type: ElementType
  readonly shape: readonly number[]
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array
}

export interface OnnxGraph {
  readonly name: string
  readonly inputs: readonly OnnxPort[]
  readonly outputs: readonly OnnxPort[]
  readonly initializers: readonly OnnxInitializer[]
  readonly nodes: readonly OnnxNode[]
}

const IR_VERSION = 10
const OPSET_VERSION = 21
const ELEMENT_TYPE: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7 }
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const

/** Append-only protobuf message; lengths are known before a parent is written, so no back-patching. */
class Message {
  readonly #parts: Uint8Array[] = []
  byteLength = 0

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.byteLength += bytes.byteLength
  }

  #varint(value: number | bigint): void {
    let rest = BigInt.asUintN(64, BigInt(value))
    const bytes: number[] = []
    while (rest > 0x7fn) {
      bytes.push(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    bytes.push(Number(rest))
    this.#push(Uint8Array.from(bytes))
  }

  #tag(field: number, wire: 0 | 2 | 5): void {
    this.#varint((field << 3) | wire)
  }

  int(field: number, value: number): this {
    this.#tag(field, 0)
    this.#varint(BigInt(value))
    return this
  }

  float(field: number, value: number): this {
    this.#tag(field, 5)
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    this.#push(bytes)
    return this
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, 2)
    this.#varint(value.byteLength)
    this.#push(value)
    return this
  }

  text(field: number, value: string): this {
    return this.bytes(field, ascii(value))
  }

  message(field: number, value: Message): this {
    this.#tag(field, 2)
    this.#varint(value.byteLength)
    for (const part of value.#parts) this.#push(part)
    return this
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.byteLength)
    let at = 0
    for (const part of this.#parts) {
      out.set(part, at)
      at += part.byteLength
    }
    return out
  }
}

/** Names and op types are ASCII by construction; TextEncoder is not part of the language, so shared/ does without. */
function ascii(value: string): Uint8Array {
  return Uint8Array.from(value, character => character.charCodeAt(0))
}

function attribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name)
  if (typeof value === 'number') return message.int(3, value).int(20, ATTRIBUTE_TYPE.int)
  if (typeof value === 'string') return message.text(4, value).int(20, ATTRIBUTE_TYPE.string)
  if ('float' in value) return message.float(2, value.float).int(20, ATTRIBUTE_TYPE.float)
  for (const item of value) message.int(8, item)
  return message.int(20, ATTRIBUTE_TYPE.ints)
}

function node(source: OnnxNode, index: number): Message {
  const message = new Message()
  for (const input of source.inputs) message.text(1, input)
  for (const output of source.outputs) message.text(2, output)
  message.text(3, `${source.op}_${index}`).text(4, source.op)
  for (const [name, value] of Object.entries(source.attributes)) message.message(5, attribute(name, value))
  return source.domain === '' ? message : message.text(7, source.domain)
}

function port(source: OnnxPort): Message {
  const shape = new Message()
  for (const dimension of source.shape) {
    shape.message(1, typeof dimension === 'number' ? new Message().int(1, dimension) : new Message().text(2, dimension))
  }
  const tensorType = new Message().int(1, ELEMENT_TYPE[source.type]).message(2, shape)
  return new Message().text(1, source.name).message(2, new Message().message(1, tensorType))
}

function initializer(source: OnnxInitializer): Message {
  const message = new Message()
  for (const dimension of source.shape) message.int(1, dimension)
  return message.int(2, ELEMENT_TYPE[source.type]).text(8, source.name).bytes(9, source.bytes)
}

function operatorSet(domain: string, version: number): Message {
  return new Message().text(1, domain).int(2, version)
}

/** @returns the bytes of a ModelProto that onnxruntime (node, WASM, WebGPU) loads. */
export function encodeOnnx(graph: OnnxGraph): Uint8Array<ArrayBuffer> {
  const body = new Message()
  for (const [index, source] of graph.nodes.entries()) body.message(1, node(source, index))
  body.text(2, graph.name)
  for (const source of graph.initializers) body.message(5, initializer(source))
  for (const source of graph.inputs) body.message(11, port(source))
  for (const source of graph.outputs) body.message(12, port(source))
  return new Message()
    .int(1, IR_VERSION)
    .text(2, 'murmuration')
    .message(7, body)
    .message(8, operatorSet('', OPSET_VERSION))
    .message(8, operatorSet('com.microsoft', 1))
    .finish()
}
