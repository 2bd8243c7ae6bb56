/**
 * One peer of the dissemination benchmark as a process in a node of the lab: what its tabs run, with libdatachannel for Chromium's WebRTC and memory for
 * IndexedDB. Its parent calls it over the channel of `child_process`; it ends with that.
 *
 *     node-peer.ts SERVER_URL
 */
import { actAsPageOf } from './page-globals.ts'

const [server = ''] = process.argv.slice(2)
// Before modules are loaded that look for it.
actAsPageOf(server)
const { answerCalls } = await import('./called-peer.ts')
answerCalls()
