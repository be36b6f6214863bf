import type { Setting } from './setting.ts'

/** Of docker-compose.yml alone. */
export const COMPOSE_SETTINGS: readonly Setting[] = [
  {
    name: 'POSTGRES_PASSWORD',
    default: '',
    meaning: 'password of the superuser of Postgres. Required; letters and digits',
    readBy: 'compose',
  },
  {
    name: 'SLUICE_DATABASE_PASSWORD',
    default: '',
    meaning:
      'password of the role as which Sluice connects to Postgres. Required; letters and digits',
    readBy: 'compose',
  },
  {
    name: 'REDIS_PASSWORD',
    default: '',
    meaning: 'password of Redis for core. Required; letters and digits',
    readBy: 'compose',
  },
  {
    name: 'REDIS_EDGES_PASSWORD',
    default: '',
    meaning:
      'password of Redis for what strangers reach, whose user may only limit and read keys. Required; letters and digits',
    readBy: 'compose',
  },
  {
    name: 'KAFKA_PASSWORD',
    default: '',
    meaning: "password of Kafka's user `core`. Required; letters and digits",
    readBy: 'compose',
  },
  {
    name: 'KAFKA_COLLECTOR_PASSWORD',
    default: '',
    meaning:
      "password of Kafka's user `collector`, who may append and nothing else. Required; letters and digits",
    readBy: 'compose',
  },
  {
    name: 'CORE_ADDRESS',
    default: '`127.0.0.1`',
    meaning: 'address on the host at which core can be reached',
    readBy: 'compose',
  },
  {
    name: 'CORE_PORT',
    default: '`4000`',
    meaning: 'port on the host',
    readBy: 'compose',
  },
  {
    name: 'EDGE_ADDRESS',
    default: '`127.0.0.1`',
    meaning: 'address on the host at which collector and edge can be reached',
    readBy: 'compose',
  },
  {
    name: 'EDGE_PORT',
    default: '`8787`',
    meaning: 'port of the collector on the host',
    readBy: 'compose',
  },
  {
    name: 'WORKERD_PORT',
    default: '`8788`',
    meaning: 'port of the edge in workerd on the host, with `--profile workerd`',
    readBy: 'compose',
  },
]
