/** A policy version's tensors, group by group: the unit in which weights are cut, fetched and assembled. */
import type { ManifestGroup } from '../protocol/manifest.ts'
import { elementCount, type Tensor, type Tensors } from '../model/tensor.ts'

export interface NamedTensors {
  /** `embed`, `layer.<i>`, `head` or `adapter.<i>`. */
  readonly name: string
  readonly tensors: Tensors
}

const FLOAT32_BYTES = 4

/**
 * Files tensors under the group that their Hugging Face name belongs to. Groups and their tensors come in the order of their names,
 * whatever order they were given in: the same weights are cut into the same chunks, fresh from the optimizer or read from a file.
 * @throws {Error} for a name that belongs to none: the trainer made it, so it is a bug
 */
export function groupTensors(tensors: Tensors): NamedTensors[] {
  const groups = new Map<string, Map<string, Tensor>>()
  for (const [name, tensor] of inOrder(tensors)) {
    const groupName = groupOf(name)
    const group = groups.get(groupName) ?? new Map<string, Tensor>()
    groups.set(groupName, group.set(name, tensor))
  }
  return inOrder(groups).map(([name, members]) => ({ name, tensors: members }))
}

function inOrder<Member>(named: ReadonlyMap<string, Member>): [name: string, member: Member][] {
  return [...named].toSorted(([left], [right]) => (left < right ? -1 : 1))
}

function groupOf(tensorName: string): string {
  if (tensorName === 'model.embed_tokens.weight') return 'embed'
  if (tensorName === 'model.norm.weight' || tensorName === 'lm_head.weight') return 'head'
  const layer = /^model\.layers\.(\d+)\./.exec(tensorName)?.[1]
  if (layer === undefined) throw new Error(`tensor "${tensorName}" belongs to no group of a manifest`)
  return /\.lora_[AB]\.weight$/.test(tensorName) ? `adapter.${layer}` : `layer.${layer}`
}

/** Bytes of a group's tensors: float32, row-major, in the order of the manifest. */
export function groupBytes(group: Pick<ManifestGroup, 'tensors'>): number {
  return group.tensors.reduce((total, tensor) => total + elementCount(tensor.shape) * FLOAT32_BYTES, 0)
}

/** A copy of a group's tensors, one after the other. Every platform that runs a browser or Node stores float32 little-endian. */
export function concatenateTensors(tensors: Tensors): Uint8Array<ArrayBuffer> {
  const values = [...tensors.values()]
  const bytes = new Uint8Array(values.reduce((total, tensor) => total + tensor.data.byteLength, 0))
  let offset = 0
  for (const { data } of values) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset)
    offset += data.byteLength
  }
  return bytes
}

/**
 * Puts a group together from its verified chunks, in the manifest's order. A single aligned chunk is not copied: the
 * tensors are views of it.
 * @throws {Error} when a chunk has another size than the manifest says: whoever verified it did not
 */
export function assembleGroup(group: ManifestGroup, chunks: readonly Uint8Array<ArrayBuffer>[]): Map<string, Tensor> {
  const sizes = chunks.map(chunk => chunk.byteLength)
  if (sizes.length !== group.chunks.length || group.chunks.some((chunk, index) => chunk.size !== sizes[index])) {
    throw new Error(`group ${group.name}: chunks of [${sizes}] bytes where the manifest says [${group.chunks.map(chunk => chunk.size)}]`)
  }
  const bytes = contiguous(chunks)
  if (bytes.byteLength !== groupBytes(group)) throw new Error(`group ${group.name}: ${bytes.byteLength} bytes for tensors of ${groupBytes(group)}`)
  let offset = bytes.byteOffset
  return new Map(
    group.tensors.map(({ name, shape }) => {
      const data = new Float32Array(bytes.buffer, offset, elementCount(shape))
      offset += data.byteLength
      return [name, { shape, data }]
    })
  )
}

/** @returns the chunk itself when it is the only one, and aligned */
export function contiguous(chunks: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [only] = chunks
  if (chunks.length === 1 && only !== undefined && only.byteOffset % FLOAT32_BYTES === 0) return only
  const bytes = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.byteLength, 0))
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}
