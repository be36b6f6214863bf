import type { Setting } from './setting.ts'

/** Of core and of the commands; some of them are read by edges too. */
export const CORE_SETTINGS: readonly Setting[] = [
  {
    name: 'DATABASE_URL',
    default: '',
    meaning:
      'Postgres 17: `postgres://user:password@host/database`. Required by core; commands use the running instance without it',
    readBy: 'core, cli',
  },
  {
    name: 'SLUICE_DATABASE_ADMIN_URL',
    default: '',
    meaning:
      'Postgres as superuser, for `sluice migrate` alone: it creates the role and the database of `DATABASE_URL` there, or finds them',
    readBy: 'cli',
  },
  {
    name: 'HOST',
    default: '`127.0.0.1`',
    meaning: 'address to listen on',
    readBy: 'core (api, gateway, collector), edge on Deno and Node',
  },
  {
    name: 'PORT',
    default: '`4000` core, `8787` edge',
    meaning: 'port to listen on',
    readBy: 'core (api, gateway), edge on Deno and Node',
  },
  {
    name: 'SLUICE_COLLECTOR_PORT',
    default: '`8787`',
    meaning: 'port at which the role collector accepts events',
    readBy: 'core (collector)',
  },
  {
    name: 'SLUICE_COLLECTOR_PROCESSES',
    default: '`1`',
    meaning:
      'processes that accept events on that port, 1 to 64. More than one share limits in Redis and need `REDIS_URL`',
    readBy: 'core (collector)',
  },
  {
    name: 'REDIS_URL',
    default: '',
    meaning:
      'Redis 7 for cached results and API keys, behind `/redis` for edges, and for the limits of the collector: `redis://…` or `rediss://…`. Without it all of these are in memory',
    readBy: 'core (api, gateway, collector)',
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
    name: 'SLUICE_ALLOW_CLEARTEXT',
    default: '`false`',
    meaning:
      '`true`: unencrypted connections beyond this machine and private networks are allowed; without it core refuses to start with one',
    readBy: 'core, cli',
  },
  {
    name: 'SLUICE_TRUSTED_PROXIES',
    default: '',
    meaning:
      "proxies that are believed about the client's address: IP addresses and CIDR blocks, separated by commas. Without it, forwarding headers are never read",
    readBy: 'core (api), compose',
  },
  {
    name: 'SLUICE_METRICS_TOKEN',
    default: '',
    meaning:
      'the Bearer token that `/metrics` asks for. Without it, only processes on the same machine may read metrics',
    readBy: 'core (api, gateway), compose',
  },
  {
    name: 'SLUICE_TLS_CERT',
    default: '',
    meaning: 'PEM file with the certificate; core then speaks HTTPS',
    readBy: 'core (api, gateway, collector)',
  },
  {
    name: 'SLUICE_TLS_KEY',
    default: '',
    meaning: 'PEM file with its private key',
    readBy: 'core (api, gateway, collector)',
  },
  {
    name: 'SLUICE_RETENTION_DAYS',
    default: '`30`',
    meaning: 'days for which single events are kept, 1 to 36,500. Rollups are kept forever',
    readBy: 'core (worker), cli, compose',
  },
  {
    name: 'SLUICE_VERIFY_HOUR',
    default: '`3`',
    meaning:
      'hour of the day, UTC, at which everything is recounted from events and the log, 0 to 23, or `off` (docs/proof.md)',
    readBy: 'core (worker), compose',
  },
  {
    name: 'SLUICE_VERIFY_SAMPLING',
    default: '`on`',
    meaning:
      'compare rollups with their events all the time, with at most 5 % of a core of Postgres: `on` or `off` (docs/proof.md)',
    readBy: 'core (worker), compose',
  },
  {
    name: 'SLUICE_AUDIT_RETENTION_DAYS',
    default: '`400`',
    meaning: 'days for which entries of the audit log are kept, 30 to 36,500 (docs/audit.md)',
    readBy: 'core (worker), compose',
  },
  {
    name: 'SLUICE_AUDIT_WEBHOOK',
    default: '',
    meaning:
      'URL that gets every entry of the audit log as JSON lines: `https://…`, or `http://` on this machine (docs/audit.md)',
    readBy: 'core (api), compose',
  },
  {
    name: 'SLUICE_CANARY_SECONDS',
    default: '`60`',
    meaning:
      'seconds between two canaries of an edge, 5 to 3600; `0`: none are sent ([proof](proof.md))',
    readBy: 'core (api), cli, compose',
  },
  {
    name: 'SLUICE_CANARY_EDGES',
    default: '',
    meaning:
      'where canaries are sent: up to 8 URLs such as `https://events.example.com`, separated by commas. Without it they are appended to the log; `npm start` and docker-compose.yml send them to their own edge',
    readBy: 'core (api)',
  },
  {
    name: 'SLUICE_FRESHNESS_SECONDS',
    default: '`5`',
    meaning: 'within how many seconds events should be visible to a query',
    readBy: 'core (api), cli',
  },
  {
    name: 'SLUICE_FRESHNESS_OBJECTIVE',
    default: '`99`',
    meaning: 'in how many percent of cases, over 30 days; below 100',
    readBy: 'core (api), cli',
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
      "the secret that edges send to core's gateway as the user `sluice`, who can only produce; at least 24 characters unless core listens on loopback. Required by the role gateway unless `SLUICE_GATEWAY_USERS` is set",
    readBy: 'core (gateway, collector), edge, compose',
  },
  {
    name: 'SLUICE_GATEWAY_USERS',
    default: '',
    meaning:
      'further users of the gateway: `name:password[:scope[:topics[:group-prefix]]]`, separated by commas; scope is `produce`, `consume` or `all` (default), topics are separated by `\\|` (default `*`), and the names of the user’s consumer groups begin with the prefix (default: any)',
    readBy: 'core (gateway)',
  },
  {
    name: 'SLUICE_REDIS_TOKEN',
    default: '',
    meaning:
      "the secret that edges send to Redis over REST: core's `/redis`, which is closed without it, or Upstash's token. Required by the role gateway together with `SLUICE_REDIS_BRIDGE_URL`",
    readBy: 'core (gateway), edge, compose',
  },
  {
    name: 'SLUICE_REDIS_BRIDGE_URL',
    default: '',
    meaning:
      'the same Redis as another user with fewer rights, for requests of edges ([decision 0013](adr/0013-redis.md)). Never the user of `REDIS_URL`. Required together with `SLUICE_REDIS_TOKEN`; the collector uses it instead of `REDIS_URL`, and warns at its start where there is only that',
    readBy: 'core (gateway, collector)',
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
    name: 'SLUICE_EDGE',
    default: '`collector`',
    meaning:
      "what accepts events in `npm start`: `collector`, core's role, or `workerd`, the edge as it runs on Cloudflare, which takes more CPU",
    readBy: 'cli',
  },
  {
    name: 'SLUICE_EDGE_URL',
    default: 'the running instance',
    meaning: 'where `sluice send` sends, and the dashboard a test of an API key',
    readBy: 'core, cli',
  },
  {
    name: 'SLUICE_KEY',
    default: '',
    meaning: 'API key for `sluice send`',
    readBy: 'cli',
  },
  {
    name: 'SLUICE_READ_KEY',
    default: '',
    meaning: 'API key with the scope `read` for `sluice query`',
    readBy: 'cli',
  },
]
