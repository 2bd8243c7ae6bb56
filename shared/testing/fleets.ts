/** Random models and fleets for the properties of allocation. */
import * as fc from 'fast-check'
import type { ModelShape } from '#shared/scheduling/model-shape.ts'
import type { Device } from '#shared/scheduling/stage-capacity.ts'

export interface Fleet {
  readonly shape: ModelShape
  readonly devices: readonly Device[]
}

/** Embedding and head from nothing to several layers' weight, tied and untied. Memory in units of a fifth of a layer or so, from nothing to more than the model. */
export function arbitraryFleet({ devices, layers, regions = [undefined], networks = [undefined] }: {
  readonly devices: { readonly min: number; readonly max: number }
  readonly layers: number
  readonly regions?: readonly (string | undefined)[]
  readonly networks?: readonly (string | undefined)[]
}): fc.Arbitrary<Fleet> {
  const part = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 20 }))
  const shape = fc
    .record({ layers: fc.integer({ min: 2, max: layers }), layerBytes: fc.integer({ min: 1, max: 8 }), embedding: part, head: part, tied: fc.boolean() })
    .map(
      ({ layers, layerBytes, embedding, head, tied }): ModelShape => ({
        layers,
        layerBytes,
        embeddingBytes: embedding,
        headBytes: head + (tied ? embedding : 0),
        embeddingAndHeadBytes: head + embedding
      })
    )
  return shape.chain(shape =>
    fc.integer({ min: 1, max: 5 }).chain(share => {
      const largest = Math.max(2, Math.ceil((1.2 * shape.layers * shape.layerBytes) / share))
      const device = fc.record({
        memoryBytes: fc.integer({ min: 0, max: largest + shape.embeddingBytes }),
        layersPerMs: fc.integer({ min: 1, max: 20 }),
        region: fc.constantFrom(...regions),
        network: fc.constantFrom(...networks)
      })
      return fc.array(device, { minLength: devices.min, maxLength: devices.max, size: 'max' }).map(found => ({
        shape,
        devices: found.map(
          ({ memoryBytes, layersPerMs, region, network }, index): Device => ({
            peer: `peer-${index}`,
            memoryBytes,
            layersPerMs,
            ...(region !== undefined && { region }),
            ...(network !== undefined && { network })
          })
        )
      }))
    })
  )
}
