import { abortOnTimeout } from '../lib/timeout.ts'
import { composeEdge } from './compose.ts'
import { readSettings } from './settings.ts'

const edge = composeEdge(readSettings(Deno.env.toObject()), {
  timeout: abortOnTimeout,
  edgeNameOf: () => 'deno',
  addressOf: (_, info) => (info as Deno.ServeHandlerInfo<Deno.NetAddr>).remoteAddr.hostname,
})

Deno.serve(
  {
    hostname: Deno.env.get('HOST') || '127.0.0.1',
    port: Number(Deno.env.get('PORT') || 8787),
    onListen: ({ hostname, port }) =>
      console.log(`edge on http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`),
  },
  (request, info) => edge.fetch(request, info),
)
