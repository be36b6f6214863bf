import { connect } from 'node:net'

const METADATA = 3
const ANSWER_MS_MAX = 2_000

/**
 * The node ids of the brokers that the one on this port of loopback knows; none while it does not answer.
 * One request of Kafka's protocol (Metadata, version 1, of no topic), so that a broker can be waited for
 * without a client that would try again by itself.
 */
export function brokersSeenBy(port: number): Promise<number[]> {
  return new Promise((resolve) => {
    let heard = Buffer.alloc(0)
    const socket = connect(port, '127.0.0.1', () => socket.write(QUESTION))
    const end = (brokers: number[]) => {
      socket.destroy()
      resolve(brokers)
    }
    socket.on('data', (chunk) => {
      heard = Buffer.concat([heard, chunk])
      if (heard.length >= 4 && heard.length >= 4 + heard.readInt32BE(0)) end(readBrokers(heard))
    })
    socket.once('error', () => end([]))
    socket.once('close', () => end([]))
    socket.setTimeout(ANSWER_MS_MAX, () => end([]))
  })
}

const QUESTION = (() => {
  const question = Buffer.alloc(18)
  question.writeInt32BE(14, 0)
  question.writeInt16BE(METADATA, 4)
  question.writeInt16BE(1, 6)
  question.writeInt32BE(1, 8)
  // No client id, no topic.
  question.writeInt16BE(-1, 12)
  question.writeInt32BE(0, 14)
  return question
})()

/** Behind length and correlation id: an array of (node id, host, port, rack or null). */
function readBrokers(answer: Buffer): number[] {
  const brokers: number[] = []
  let at = 12
  for (let left = answer.readInt32BE(8); left > 0; left--) {
    brokers.push(answer.readInt32BE(at))
    at += 4
    at += 2 + answer.readInt16BE(at)
    at += 4
    at += 2 + Math.max(0, answer.readInt16BE(at))
  }
  return brokers
}
