import { connect } from 'node:net'

const METADATA = 3
const REPLY_MS_MAX = 2_000

/**
 * The node ids of the brokers known to the one on this port of loopback; empty while it does not reply.
 * One request of Kafka's protocol (Metadata, version 1, for no topic): a client library would retry by itself.
 */
export function brokersSeenBy(port: number): Promise<number[]> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0)
    const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST))
    const end = (brokers: number[]) => {
      socket.destroy()
      resolve(brokers)
    }
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0))
        end(readBrokers(received))
    })
    socket.once('error', () => end([]))
    socket.once('close', () => end([]))
    socket.setTimeout(REPLY_MS_MAX, () => end([]))
  })
}

const REQUEST = (() => {
  const request = Buffer.alloc(18)
  request.writeInt32BE(14, 0)
  request.writeInt16BE(METADATA, 4)
  request.writeInt16BE(1, 6)
  request.writeInt32BE(1, 8)
  // No client id, no topic.
  request.writeInt16BE(-1, 12)
  request.writeInt32BE(0, 14)
  return request
})()

/** After the length and the correlation id: an array of (node id, host, port, rack or null). */
function readBrokers(response: Buffer): number[] {
  const brokers: number[] = []
  let at = 12
  for (let left = response.readInt32BE(8); left > 0; left--) {
    brokers.push(response.readInt32BE(at))
    at += 4
    at += 2 + response.readInt16BE(at)
    at += 4
    at += 2 + Math.max(0, response.readInt16BE(at))
  }
  return brokers
}
