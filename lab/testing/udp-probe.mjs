/**
 * Traffic for tests, run in a lab's nodes by plain Node.
 *
 *     udp-probe.mjs listen PORT                     prints "ready", then "NUMBER MILLISECONDS" for every packet
 *     udp-probe.mjs echo PORT                       prints "ready", then sends every packet back
 *     udp-probe.mjs send ADDRESS PORT COUNT BYTES   sends packets 0 … COUNT − 1 of so many bytes, as fast as the interface takes them
 *     udp-probe.mjs ping ADDRESS PORT COUNT         prints the milliseconds of so many round trips, one after the other
 *     udp-probe.mjs talk [ADDRESS [PORT]]           prints "ready", sends for every line "ADDRESS PORT TEXT" of its stdin and then prints "sent", or why not; prints "ADDRESS PORT TEXT" for every packet
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const [command, ...args] = process.argv.slice(2)
const socket = createSocket('udp4')

function packet(number, bytes) {
  const data = Buffer.alloc(bytes)
  data.writeUInt32BE(number)
  return data
}

function answer(port, heard) {
  socket.on('message', heard)
  socket.bind(port, () => console.log('ready'))
}

async function send(address, port, count, bytes) {
  for (let number = 0; number < count; number++) await new Promise(sent => socket.send(packet(number, bytes), port, address, sent))
  socket.close()
}

async function ping(address, port, count) {
  for (let number = 0; number < count; number++) {
    const start = performance.now()
    const answered = once(socket, 'message')
    socket.send(packet(number, 64), port, address)
    await answered
    console.log(performance.now() - start)
  }
  socket.close()
}

function talk(address, port = 0) {
  socket.on('message', (data, from) => console.log(`${from.address} ${from.port} ${data}`))
  socket.bind(port, address, () => console.log('ready'))
  createInterface({ input: process.stdin }).on('line', line => {
    const [to, toPort, text] = line.split(' ')
    socket.send(text, Number(toPort), to, error => console.log(error === null ? 'sent' : error.message))
  })
}

if (command === 'talk') talk(args[0], Number(args[1] ?? 0))
else if (command === 'listen') answer(Number(args[0]), data => console.log(`${data.readUInt32BE()} ${performance.now()}`))
else if (command === 'echo') answer(Number(args[0]), (data, { port, address }) => socket.send(data, port, address))
else if (command === 'send') await send(args[0], Number(args[1]), Number(args[2]), Number(args[3]))
else await ping(args[0], Number(args[1]), Number(args[2]))
