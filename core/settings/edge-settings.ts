import type { Setting } from './setting.ts'

/** Of edges alone. */
export const EDGE_SETTINGS: readonly Setting[] = [
  {
    name: 'SLUICE_GATEWAY_URL',
    default: '',
    meaning:
      "core's gateway, such as `https://core.example.com/gateway`. Required; the collector looks keys up there if it has no `DATABASE_URL`",
    readBy: 'core (collector), edge',
  },
  {
    name: 'SLUICE_GATEWAY_USERNAME',
    default: '',
    meaning: 'user of the gateway, usually `sluice`. Required by edges',
    readBy: 'core (collector), edge',
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
    readBy: 'core (collector), edge',
  },
  {
    name: 'SLUICE_REDIS_FAILURE_POLICY',
    default: '`local`',
    meaning:
      'while Redis is unavailable: `fail-open` admits every request, `local` counts in each edge, `fail-closed` responds 503',
    readBy: 'core (collector), edge, compose',
  },
  {
    name: 'SLUICE_RATE_LIMITS',
    default: '`on`',
    meaning: '`off`: no rate limits and no `RateLimit` headers',
    readBy: 'core (collector), edge',
  },
  {
    name: 'SLUICE_TRUSTED_PROXIES',
    default: '',
    meaning:
      'proxies whose `X-Forwarded-For` and `Forwarded` are believed: IP addresses and CIDR blocks, such as `10.0.0.0/8, 2001:db8::/32`',
    readBy: 'core (collector), edge',
  },
  {
    name: 'SLUICE_GEO_HEADERS',
    default: '',
    meaning:
      "whose headers of a visitor's country, region and city are read from the trusted proxies: `cloudflare`, `vercel`, `appengine` or `cloudfront`. On Cloudflare's own runtime nothing has to be set",
    readBy: 'core (collector), edge, compose',
  },
  {
    name: 'SLUICE_ALLOW_CLEARTEXT',
    default: '`false`',
    meaning:
      '`true`: the edge sends passwords and events over `http` beyond loopback and private networks; without it, it refuses to start with such a URL',
    readBy: 'edge',
  },
  {
    name: 'SLUICE_NDJSON_BYTES_MAX',
    default: '`67108864`',
    meaning: 'largest NDJSON stream in bytes, decoded (64 MiB)',
    readBy: 'core (collector), edge',
  },
  {
    name: 'SLUICE_EDGE_NAME',
    default: "airport code on Cloudflare, else the runtime's name",
    meaning: 'name of this edge; stored with every record',
    readBy: 'core (collector), edge, compose',
  },
  {
    name: 'SLUICE_SITE_KEYS',
    default: '',
    meaning:
      'public keys of sites and apps whose analytics format has no place for a key (Plausible, Umami, Snowplow, GA4): `shop.example=slc_pub_…, my-app=slc_pub_…`',
    readBy: 'core (collector), edge, compose',
  },
  {
    name: 'SLUICE_DOCS_KEY',
    default: '',
    meaning:
      'a public key that `/docs` shows; only for an edge that only this machine can reach. `npm start` sets it',
    readBy: 'core (collector), edge',
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
]
