import { abortOnTimeout } from '../lib/timeout.ts'
import { composeEdge } from './compose.ts'
import { readSettings, SETTING_VARIABLES } from './settings.ts'

// By name: the whole environment would need `--allow-env`, and holds more than an edge has to know.
const environment = Object.fromEntries(SETTING_VARIABLES.map((name) => [name, Deno.env.get(name)]))
const edge = composeEdge(readSettings(environment), {
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
