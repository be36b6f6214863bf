import { abortOnTimeout } from '../lib/timeout.ts'
import { type NodeEnv, serveEdge } from '../node/serve-edge.ts'
import { composeEdge } from './compose.ts'
import { readSettings } from './settings.ts'

const edge = composeEdge(readSettings(process.env), {
  timeout: abortOnTimeout,
  edgeNameOf: () => 'node',
  addressOf: (_, env) => (env as NodeEnv).incoming.socket.remoteAddress,
})
const served = await serveEdge((request, env) => edge.fetch(request, env), {
  host: process.env.HOST || '127.0.0.1',
  port: Number(process.env.PORT || 8787),
})
console.log(`edge on ${served.url}`)

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => void served.close().then(() => process.exit(0)))
