import { abortOnTimeout } from '../lib/timeout.ts'
import { composeEdge } from './compose.ts'

const names = [
  'SLUICE_GATEWAY_URL',
  'SLUICE_GATEWAY_USERNAME',
  'SLUICE_GATEWAY_PASSWORD',
  'SLUICE_EDGE_NAME',
  'SLUICE_RATE_LIMITS',
  'SLUICE_NDJSON_BYTES_MAX',
  'SLUICE_REDIS_REST_URL',
  'SLUICE_REDIS_TOKEN',
  'UPSTASH_REDIS_REST_URL',
  'UPSTASH_REDIS_REST_TOKEN',
  'SLUICE_REDIS_TIMEOUT_MS',
  'SLUICE_REDIS_FAILURE_POLICY',
  'SLUICE_DOCS_KEY',
  'SLUICE_KAFKA_REST_DIALECT',
  'SLUICE_KAFKA_REST_URL',
  'SLUICE_KAFKA_REST_USERNAME',
  'SLUICE_KAFKA_REST_PASSWORD',
  'SLUICE_KAFKA_TOPIC_PREFIX',
] as const
const settings = Object.fromEntries(names.map((name) => [name, Deno.env.get(name) ?? '']))
const edge = composeEdge(settings as Record<(typeof names)[number], string>, {
  timeout: abortOnTimeout,
  edgeNameOf: () => 'deno',
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
