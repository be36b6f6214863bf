import { composeEdge } from './compose.ts'
import { abortLate } from './within.ts'

const names = ['GATEWAY_URL', 'GATEWAY_USERNAME', 'GATEWAY_PASSWORD', 'EDGE_NAME'] as const
const settings = Object.fromEntries(names.map((name) => [name, Deno.env.get(name) ?? '']))
const edge = composeEdge(settings as Record<(typeof names)[number], string>, {
  exchange: abortLate,
  placeOf: () => 'deno',
})

Deno.serve(
  {
    hostname: '127.0.0.1',
    port: Number(Deno.env.get('PORT') ?? 8787),
    onListen: ({ hostname, port }) => console.log(`edge on http://${hostname}:${port}`),
  },
  (request) => edge.fetch(request),
)
