import fastify from 'fastify'
import { Kafka, logLevel } from 'kafkajs'

/**
 * A plain collector for bench/collectors.ts: Fastify in, kafkajs out, one send for each request. It parses the JSON,
 * looks the key up in a map and responds when all replicas have the record. No limits, no validation, no deduplication.
 * Settings: COLLECTOR_BROKERS, COLLECTOR_TOPIC, COLLECTOR_KEY. It prints its address when it is ready.
 */
const { COLLECTOR_BROKERS = '', COLLECTOR_TOPIC = '', COLLECTOR_KEY = '' } = process.env
const ACKS_OF_ALL_REPLICAS = -1

const kafka = new Kafka({
  clientId: 'bench-collector',
  brokers: COLLECTOR_BROKERS.split(','),
  logLevel: logLevel.ERROR,
})
const producer = kafka.producer()
await producer.connect()
const tenants = new Map([[COLLECTOR_KEY, 'bench']])

const server = fastify({ bodyLimit: 65_536 })
server.post('/v1/events', async (request, reply) => {
  const tenant = tenants.get((request.headers.authorization ?? '').replace('Bearer ', ''))
  if (!tenant) return reply.code(401).send({ message: 'unknown key' })
  const event = request.body as { user_id?: unknown }
  if (typeof event.user_id !== 'string')
    return reply.code(400).send({ message: 'user_id is missing' })
  await producer.send({
    topic: COLLECTOR_TOPIC,
    acks: ACKS_OF_ALL_REPLICAS,
    messages: [{ key: `${tenant}:${event.user_id}`, value: JSON.stringify(event) }],
  })
  return reply.code(202).send({ accepted: 1 })
})
console.log(await server.listen({ host: '127.0.0.1', port: 0 }))
