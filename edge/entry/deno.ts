import { abortLate } from '../lib/timeout.ts'
import { composeEdge } from './compose.ts'

const names = [
  'GATEWAY_URL',
  'GATEWAY_USERNAME',
  'GATEWAY_PASSWORD',
  'EDGE_NAME',
  'RATE_LIMITS',
  'NDJSON_BYTES_MAX',
  'REDIS_URL_REST',
  'REDIS_TOKEN',
  'UPSTASH_REDIS_REST_URL',
  'UPSTASH_REDIS_REST_TOKEN',
  'REDIS_MS_MAX',
  'WITHOUT_REDIS',
  'DOCS_KEY',
  'PUBLISH_FLAVOUR',
  'PUBLISH_URL',
  'PUBLISH_USERNAME',
  'PUBLISH_PASSWORD',
  'KAFKA_TOPIC_PREFIX',
] as const
const settings = Object.fromEntries(names.map((name) => [name, Deno.env.get(name) ?? '']))
const edge = composeEdge(settings as Record<(typeof names)[number], string>, {
  exchange: abortLate,
  placeOf: () => 'deno',
  addressOf: (_, info) => (info as Deno.ServeHandlerInfo<Deno.NetAddr>).remoteAddr.hostname,
})

Deno.serve(
  {
    hostname: '127.0.0.1',
    port: Number(Deno.env.get('PORT') ?? 8787),
    onListen: ({ hostname, port }) => console.log(`edge on http://${hostname}:${port}`),
  },
  (request, info) => edge.fetch(request, info),
)
