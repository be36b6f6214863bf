import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter } from './codec.ts'

const CREATE_ACLS = 30
/** Kafka 2.0 */
const CREATE_ACLS_VERSION = 1
const TOPIC = 2
const LITERAL = 3
const ALLOW = 3
const ANY_HOST = '*'
const OPERATIONS = { WRITE: 4, DESCRIBE: 8 } as const

/** A right of one user on one topic. */
export interface TopicGrant {
  topic: string
  user: string
  operation: keyof typeof OPERATIONS
}

/** @returns Kafka's error code for each grant, 0 when the user has it now */
export function createAclsRequest(
  grants: readonly TopicGrant[],
): KafkaRequest<{ errorCodes: number[] }> {
  const body = createWriter()
  body.array(grants, ({ topic, user, operation }) => {
    body.int8(TOPIC)
    body.string(topic)
    body.int8(LITERAL)
    body.string(`User:${user}`)
    body.string(ANY_HOST)
    body.int8(OPERATIONS[operation])
    body.int8(ALLOW)
  })
  return {
    name: 'CreateAcls',
    apiKey: CREATE_ACLS,
    apiVersion: CREATE_ACLS_VERSION,
    body: body.done(),
    decode(response) {
      const read = createReader(response)
      read.int32() // throttled
      return {
        errorCodes: read.array(() => {
          const code = read.int16()
          read.string() // message
          return code
        }),
      }
    },
  }
}
