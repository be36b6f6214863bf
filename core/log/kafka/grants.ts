import type { Brokers } from './brokers.ts'
import { KafkaError } from './errors.ts'
import { createAclsRequest } from './protocol/create-acls.ts'

/**
 * Lets a user of Kafka append to topics and see where they end; nothing else. Repeating it changes nothing.
 * @throws KafkaError e.g. SECURITY_DISABLED where Kafka has no authorizer
 */
export async function grantAppend(
  brokers: Brokers,
  user: string,
  topics: readonly string[],
  msMax: number,
): Promise<void> {
  const { connection } = await brokers.controller(msMax)
  const grants = topics.flatMap((topic) =>
    (['WRITE', 'DESCRIBE'] as const).map((operation) => ({ topic, user, operation })),
  )
  const { errorCodes } = await connection.send(createAclsRequest(grants), msMax)
  const failed = errorCodes.findIndex((code) => code !== 0)
  if (failed >= 0)
    throw new KafkaError(
      errorCodes[failed] as number,
      `rights of ${user} on ${grants[failed]?.topic}`,
    )
}
