import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { signingKeyFrom } from '../crypto/signature.ts'
import { loraTensors, type LoraConfig } from '../model/lora.ts'
import { randomAdapter, randomWeights } from '../model/random-weights.ts'
import { sliceTensors } from '../model/tensor-names.ts'
import { stageSlice } from '../scheduling/layer-range.ts'
import { runs } from '../testing/property-runs.ts'
import { tinyConfig } from '../testing/tiny-model.ts'
import { cutPolicy, signManifest } from './manifest.ts'
import { manifestOfSlice, type PartOfManifest } from './slice-manifest.ts'
import { groupTensors } from './tensor-groups.ts'

const lora: LoraConfig = { rank: 2, alpha: 4, targets: ['q_proj', 'down_proj'] }
const key = signingKeyFrom(new Uint8Array(32).fill(1))

const names = ({ groups }: PartOfManifest): string[] => groups.flatMap(({ tensors }) => tensors.map(({ name }) => name)).toSorted()

test('a slice is given every tensor that its engine needs, and no other', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.boolean(), fc.nat(), fc.nat(), (layers, tiedEmbeddings, from, more) => {
      const config = tinyConfig({ layers, tiedEmbeddings })
      const manifestOf = (kind: 'full' | 'lora') => {
        const tensors = kind === 'full' ? randomWeights(config, 0) : randomAdapter(config, lora, 1)
        return signManifest(cutPolicy({ run: 'run', version: kind === 'full' ? 0 : 1, parent: kind === 'full' ? null : 0, kind, groups: groupTensors(tensors) }).body, key)
      }
      const start = from % layers
      const end = start + 1 + (more % (layers - start))
      const slice = { start, end }
      expect(names(manifestOfSlice(manifestOf('full'), config, slice))).toEqual(sliceTensors(config, stageSlice(layers, start, end)).map(({ name }) => name).toSorted())
      expect(names(manifestOfSlice(manifestOf('lora'), config, slice))).toEqual(loraTensors(config, lora, start, end).map(({ name }) => name).toSorted())
      for (const kind of ['full', 'lora'] as const) expect(manifestOfSlice(manifestOf(kind), config, { start: 0, end: layers })).toEqual(manifestOf(kind))
    }),
    runs(30)
  )
})
