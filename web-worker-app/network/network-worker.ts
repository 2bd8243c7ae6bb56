/** The module worker behind comlink. See `network-worker-api.ts` for the contract. */
import { expose, transfer } from 'comlink'
import type { PartOfManifest } from '#shared/dissemination/slice-manifest.ts'
import { channelFrom } from '../mesh/channel-bridge.ts'
import { ChunkExchange } from '../mesh/chunk-exchange.ts'
import { StageRoutes } from '../mesh/stage-routes.ts'
import { assemblePolicy } from '../session/policy-tensors.ts'
import type { ChunkStore } from '../storage/chunk-store.ts'
import { openChunkStore } from '../storage/open-chunk-store.ts'
import { WriteBehindChunkStore } from '../storage/write-behind-chunk-store.ts'
import type { NetworkWorkerApi } from './network-worker-api.ts'
import { bringPolicy } from './policy-arrival.ts'

/** By version, what was asked for last: an earlier call, perhaps of another slice, must not overtake it. */
const brought = new Map<number, readonly PartOfManifest[]>()

let opened: { readonly exchange: ChunkExchange; readonly store: ChunkStore; readonly routes: StageRoutes } | undefined

function network(): NonNullable<typeof opened> {
  if (opened === undefined) throw new Error('the network worker was asked to work before it was opened')
  return opened
}

const worker: NetworkWorkerApi = {
  async open(events, storage) {
    const store = new WriteBehindChunkStore(await openChunkStore(Date.now, storage, condition => events.stored(condition)))
    const routes = new StageRoutes((peer, fragment) => exchange.sendStageFragment(peer, fragment))
    const exchange = new ChunkExchange({
      store,
      linkUp: id => events.linkUp(id),
      linkClosed: id => events.linkClosed(id),
      stageFragment: (peer, fragment) => routes.fragmentFrom(peer, fragment),
      roundTrip: (peer, ms) => events.roundTrip(peer, ms),
      uploaded: (bytes, ms) => events.uploaded(bytes, ms),
      grant: ask => events.grant(ask),
      unavailable: version => events.unavailable(version),
      changed: () => {
        const { bytesFromOrigin, bytesFromPeers, unreachable } = exchange
        events.changed({ bytesFromOrigin, bytesFromPeers, unreachable })
      },
      fault: fault => events.fault(fault)
    })
    opened = { exchange, store, routes }
  },

  addLink: (peer, id, { control, bulk, stages }) => network().exchange.addLink(peer, id, { control: channelFrom(control), bulk: channelFrom(bulk), stages: channelFrom(stages) }),
  removeLink: (peer, id) => network().exchange.removeLink(peer, id),
  openRoutes: routes => network().routes.open(routes),
  closeRoutes: pipeline => network().routes.close(pipeline),

  bring(lineage) {
    const { version } = lineage.at(-1)!
    brought.set(version, lineage)
    return bringPolicy(lineage, { ...network(), isWanted: () => brought.get(version) === lineage })
  },

  forget(manifest, shared) {
    brought.delete(manifest.version)
    network().exchange.forget(manifest, shared)
  },

  pin: owner => network().store.pin(owner),

  async assemble(manifest) {
    const tensors = await assemblePolicy(manifest, network().store)
    return tensors && transfer(tensors, [...new Set([...tensors.values()].map(({ data }) => data.buffer))])
  },

  close() {
    network().exchange.close()
    self.close()
  }
}

expose(worker)
