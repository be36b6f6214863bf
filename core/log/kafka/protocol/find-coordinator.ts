import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter } from './codec.ts'
import type { BrokerNode } from './metadata.ts'

const FIND_COORDINATOR = 10
/** Kafka 2.0 */
const FIND_COORDINATOR_VERSION = 2
const GROUP = 0

export interface Coordinator extends BrokerNode {
  errorCode: number
}

/** The broker that keeps a group's offsets. */
export function findCoordinatorRequest(group: string): KafkaRequest<Coordinator> {
  const body = createWriter()
  body.string(group)
  body.int8(GROUP)
  return {
    name: 'FindCoordinator',
    apiKey: FIND_COORDINATOR,
    apiVersion: FIND_COORDINATOR_VERSION,
    body: body.done(),
    decode(response) {
      const read = createReader(response)
      read.int32() // throttled
      const errorCode = read.int16()
      read.string() // message
      return { errorCode, nodeId: read.int32(), host: read.string(), port: read.int32() }
    },
  }
}
