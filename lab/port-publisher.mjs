/** Runs in a node: hands every connection that it accepts to the process that opened the lab. `port-publisher.mjs ADDRESS PORT` */
import { createServer } from 'node:net'

const [address, port] = process.argv.slice(2)

process.on('disconnect', () => process.exit(0))
createServer({ pauseOnConnect: true }, socket => process.send('connection', socket)).listen(Number(port), address, () => process.send('listening'))
