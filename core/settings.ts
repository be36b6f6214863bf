/** One environment variable; docs/configuration.md shows these as its table. Texts are Markdown. */
export interface Setting {
  name: string
  /** What holds when it is not set; empty where there is none. */
  default: string
  meaning: string
  /** Which programs read it: core, cli, edge, compose; in brackets, which roles of core. */
  readBy: string
}

/** Every environment variable of the product. An empty variable counts as not set. */
export const SETTINGS: readonly Setting[] = [
  {
    name: 'DATABASE_URL',
    default: '',
    meaning:
      'Postgres 17: `postgres://user:password@host/database`. Required by core; commands use the running instance without it',
    readBy: 'core, cli',
  },
  {
    name: 'HOST',
    default: '`127.0.0.1`',
    meaning: 'address to listen on',
    readBy: 'core (api, gateway), edge on Node',
  },
  {
    name: 'PORT',
    default: '`4000` core, `8787` edge',
    meaning: 'port to listen on',
    readBy: 'core (api, gateway), edge on Deno and Node',
  },
  {
    name: 'REDIS_URL',
    default: '',
    meaning:
      'Redis 7 for cached results and API keys, and behind `/redis` for edges: `redis://…` or `rediss://…`. Without it caches are in memory',
    readBy: 'core (api, gateway)',
  },
  {
    name: 'KAFKA_BROKERS',
    default: '',
    meaning:
      '`host:port` of one or more brokers, separated by commas. Required with `SLUICE_LOG_DRIVER=kafka`',
    readBy: 'core, cli',
  },
  {
    name: 'NO_COLOR',
    default: '',
    meaning: 'any value: no colours in the terminal',
    readBy: 'cli',
  },
  {
    name: 'SLUICE_HOME',
    default: '`.sluice` beside `package.json`',
    meaning: 'data, keys and logs of `npm start` and `npm run engines`',
    readBy: 'cli',
  },
  {
    name: 'SLUICE_LOG_DRIVER',
    default: '`postgres`',
    meaning: 'where the log is kept: `postgres` or `kafka`',
    readBy: 'core, cli',
  },
  {
    name: 'SLUICE_LOG_LEVEL',
    default: '`info`',
    meaning: '`debug`, `info`, `warn` or `error`',
    readBy: 'core, compose',
  },
  {
    name: 'SLUICE_PUBLIC_URL',
    default: '',
    meaning:
      'how browsers reach core, such as `https://sluice.example.com`. Core then answers browsers under this name only; without it only under names of this machine',
    readBy: 'core (api), cli, compose',
  },
  {
    name: 'SLUICE_TLS_CERT',
    default: '',
    meaning: 'PEM file with the certificate; core then speaks HTTPS',
    readBy: 'core (api, gateway)',
  },
  {
    name: 'SLUICE_TLS_KEY',
    default: '',
    meaning: 'PEM file with its private key',
    readBy: 'core (api, gateway)',
  },
  {
    name: 'SLUICE_RETENTION_DAYS',
    default: '`30`',
    meaning: 'days for which single events are kept, 1 to 36,500. Rollups are kept forever',
    readBy: 'core (worker), cli, compose',
  },
  {
    name: 'SLUICE_WORKER_CONCURRENCY',
    default: '`2`',
    meaning: 'connections with which one worker writes, 1 to 6',
    readBy: 'core (worker), compose',
  },
  {
    name: 'SLUICE_GATEWAY_PASSWORD',
    default: '',
    meaning:
      "the secret that edges send to core's gateway as the user `sluice`. Required by the role gateway unless `SLUICE_GATEWAY_USERS` is set",
    readBy: 'core (gateway), edge, compose',
  },
  {
    name: 'SLUICE_GATEWAY_USERS',
    default: '',
    meaning:
      'further users of the gateway: `name:password[:scope]`, separated by commas; scope is `produce`, `consume` or `all`',
    readBy: 'core (gateway)',
  },
  {
    name: 'SLUICE_GATEWAY_URL',
    default: '',
    meaning: "core's gateway, such as `https://core.example.com/gateway`. Required",
    readBy: 'edge',
  },
  {
    name: 'SLUICE_GATEWAY_USERNAME',
    default: '',
    meaning: 'user of the gateway, usually `sluice`. Required',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_REDIS_TOKEN',
    default: '',
    meaning:
      "the secret that edges send to Redis over REST: core's `/redis`, which is closed without it, or Upstash's token. Required by the role gateway together with `REDIS_URL`",
    readBy: 'core (gateway), edge, compose',
  },
  {
    name: 'SLUICE_REDIS_BRIDGE_URL',
    default: '`REDIS_URL`',
    meaning:
      'the same Redis as a user with fewer rights, for requests of edges ([decision 0013](adr/0013-redis.md))',
    readBy: 'core (gateway)',
  },
  {
    name: 'SLUICE_REDIS_REST_URL',
    default: '',
    meaning:
      "Redis over REST: `https://core.example.com/redis` or Upstash's endpoint. Without it limits and idempotency are in each edge's memory",
    readBy: 'edge',
  },
  {
    name: 'UPSTASH_REDIS_REST_URL',
    default: '',
    meaning: 'used if `SLUICE_REDIS_REST_URL` is not set',
    readBy: 'edge',
  },
  {
    name: 'UPSTASH_REDIS_REST_TOKEN',
    default: '',
    meaning: 'used if `SLUICE_REDIS_TOKEN` is not set',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_REDIS_TIMEOUT_MS',
    default: '`250`',
    meaning: 'milliseconds after which Redis counts as unavailable',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_REDIS_FAILURE_POLICY',
    default: '`local`',
    meaning:
      'while Redis is unavailable: `fail-open` admits every request, `local` counts in each edge, `fail-closed` responds 503',
    readBy: 'edge, compose',
  },
  {
    name: 'SLUICE_RATE_LIMITS',
    default: '`on`',
    meaning: '`off`: no rate limits and no `RateLimit` headers',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_NDJSON_BYTES_MAX',
    default: '`67108864`',
    meaning: 'largest NDJSON stream in bytes, decoded (64 MiB)',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_EDGE_NAME',
    default: "airport code on Cloudflare, else the runtime's name",
    meaning: 'name of this edge; stored with every record',
    readBy: 'edge, compose',
  },
  {
    name: 'SLUICE_DOCS_KEY',
    default: '',
    meaning:
      'a public key that `/docs` shows; only for an edge that only this machine can reach. `npm start` sets it',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_KAFKA_REST_DIALECT',
    default: '`upstash`',
    meaning:
      "protocol in which the edge publishes: `upstash` (core's gateway) or `confluent` (REST proxies of Confluent and Redpanda)",
    readBy: 'edge',
  },
  {
    name: 'SLUICE_KAFKA_REST_URL',
    default: 'the gateway',
    meaning: 'where the edge publishes. Required with `confluent`',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_KAFKA_REST_USERNAME',
    default: '',
    meaning: 'user for it',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_KAFKA_REST_PASSWORD',
    default: '',
    meaning: 'password for it',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_KAFKA_TOPIC_PREFIX',
    default: '',
    meaning:
      'prefix of topic names and of the consumer group, for more than one Sluice on a Kafka. The edge needs it with `confluent`',
    readBy: 'core, cli, edge',
  },
  {
    name: 'SLUICE_KAFKA_USERNAME',
    default: '',
    meaning: 'SASL user',
    readBy: 'core, cli',
  },
  {
    name: 'SLUICE_KAFKA_PASSWORD',
    default: '',
    meaning: 'SASL password',
    readBy: 'core, cli',
  },
  {
    name: 'SLUICE_KAFKA_MECHANISM',
    default: '`plain`',
    meaning: '`plain`, `scram-sha-256` or `scram-sha-512`',
    readBy: 'core, cli',
  },
  {
    name: 'SLUICE_KAFKA_TLS',
    default: '`false`',
    meaning: '`true`, or a PEM file with the certificates to trust',
    readBy: 'core, cli',
  },
  {
    name: 'SLUICE_EDGE_URL',
    default: 'the running instance',
    meaning: 'where `sluice send` sends',
    readBy: 'cli',
  },
  {
    name: 'SLUICE_KEY',
    default: '',
    meaning: 'API key for `sluice send`',
    readBy: 'cli',
  },
  {
    name: 'POSTGRES_PASSWORD',
    default: '',
    meaning: 'password of Postgres. Required; letters and digits',
    readBy: 'compose',
  },
  {
    name: 'REDIS_PASSWORD',
    default: '',
    meaning: 'password of Redis. Required; letters and digits',
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
    meaning: 'address on the host at which the edge can be reached',
    readBy: 'compose',
  },
  {
    name: 'EDGE_PORT',
    default: '`8787`',
    meaning: 'port on the host',
    readBy: 'compose',
  },
]
