/** As much of a TURN client as asks for an allocation over UDP (RFC 8656) with long-term credentials (RFC 8489, section 9.2), for tests. */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'

const MAGIC_COOKIE = 0x2112a442
const ALLOCATE = 0x0003
const ALLOCATED = 0x0103
const ATTRIBUTE = { username: 0x0006, messageIntegrity: 0x0008, errorCode: 0x0009, realm: 0x0014, nonce: 0x0015, requestedTransport: 0x0019 } as const
const UDP = Buffer.from([17, 0, 0, 0])
/** A request over UDP is sent again until it is answered; the RFC begins with as much. */
const RETRANSMIT_MS = 500

type Attributes = readonly (readonly [type: number, value: Buffer])[]

/** @returns `allocated`, or the code of the TURN server's error, e.g. 401 */
export async function askForAllocation(port: number, { username, credential }: { readonly username: string; readonly credential: string }): Promise<'allocated' | number> {
  // A nonce belongs to the address that asked for it.
  const socket = createSocket('udp4')
  try {
    return await allocate(socket, port, username, credential)
  } finally {
    socket.close()
  }
}

async function allocate(socket: Socket, port: number, username: string, credential: string): Promise<'allocated' | number> {
  const challenge = await exchange(socket, port, message([[ATTRIBUTE.requestedTransport, UDP]]))
  const realm = attribute(challenge, ATTRIBUTE.realm)!
  const key = createHash('md5').update(`${username}:${realm.toString()}:${credential}`).digest()
  const proven: Attributes = [
    [ATTRIBUTE.requestedTransport, UDP],
    [ATTRIBUTE.username, Buffer.from(username)],
    [ATTRIBUTE.realm, realm],
    [ATTRIBUTE.nonce, attribute(challenge, ATTRIBUTE.nonce)!]
  ]
  const answer = await exchange(socket, port, message(proven, key))
  if (answer.readUInt16BE(0) === ALLOCATED) return 'allocated'
  const error = attribute(answer, ATTRIBUTE.errorCode)!
  return error[2]! * 100 + error[3]!
}

function message(attributes: Attributes, key?: Buffer): Buffer {
  const body = Buffer.concat(attributes.map(encode))
  const header = Buffer.alloc(20)
  header.writeUInt16BE(ALLOCATE, 0)
  header.writeUInt32BE(MAGIC_COOKIE, 4)
  randomBytes(12).copy(header, 8)
  // The length counts the integrity attribute before it is there: it is part of what is signed.
  header.writeUInt16BE(body.length + (key === undefined ? 0 : 24), 2)
  if (key === undefined) return Buffer.concat([header, body])
  const integrity = createHmac('sha1', key).update(header).update(body).digest()
  return Buffer.concat([header, body, encode([ATTRIBUTE.messageIntegrity, integrity])])
}

function encode([type, value]: Attributes[number]): Buffer {
  const encoded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4)
  encoded.writeUInt16BE(type, 0)
  encoded.writeUInt16BE(value.length, 2)
  value.copy(encoded, 4)
  return encoded
}

function attribute(answer: Buffer, wanted: number): Buffer | undefined {
  for (let at = 20; at + 4 <= answer.length; ) {
    const length = answer.readUInt16BE(at + 2)
    if (answer.readUInt16BE(at) === wanted) return answer.subarray(at + 4, at + 4 + length)
    at += 4 + Math.ceil(length / 4) * 4
  }
  return undefined
}

function exchange(socket: Socket, port: number, request: Buffer): Promise<Buffer> {
  const send = (): void => socket.send(request, port, '127.0.0.1')
  const again = setInterval(send, RETRANSMIT_MS)
  return new Promise<Buffer>((resolve, reject) => {
    socket.on('message', answer => {
      // By its transaction: a request that was sent twice is answered twice.
      if (answer.subarray(8, 20).equals(request.subarray(8, 20))) resolve(answer)
    })
    socket.once('error', reject)
    send()
  }).finally(() => {
    clearInterval(again)
    socket.removeAllListeners()
  })
}
