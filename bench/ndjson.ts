import { once } from 'node:events'
import { request } from 'node:http'
import { parseArgs } from 'node:util'
import { createGzip } from 'node:zlib'
import { startWorkerd } from '../edge/testing/runtimes.ts'
import { startStubGateway } from '../edge/testing/stub-gateway.ts'
import { V8_FLAGS } from '../local/edge-process.ts'
import { cpuSeconds, residentMiB } from './lib/machine.ts'
import { table } from './lib/run-arms.ts'

/**
 * One request of a million lines through the edge in workerd: authenticated, rate limited, normalised, stamped
 * and published as they stream in. It must need no more memory than a tenth of the lines; each arm has a new
 * workerd. Fails unless every line arrives at the stub gateway, in order.
 */
const { values: options } = parseArgs({
  options: {
    lines: { type: 'string', default: '1000000' },
    json: { type: 'boolean', default: false },
  },
})
const LINES = Number(options.lines)
/** Share of the lines after which memory must not grow any more. */
const WARM_SHARE = 0.1

interface Figures {
  arm: string
  lines: number
  MiB: number
  rate: number
  cpu: number
  /** Resident memory in MiB: the maximum in the first tenth, the maximum overall, and at the end. */
  early: number
  peak: number
  last: number
}

const gateway = await startStubGateway()
const { key } = gateway.addKey({ key_events_per_minute: 1e9, tenant_events_per_minute: 1e9 })
const figures: Figures[] = []
try {
  figures.push(await run('a tenth of the lines', LINES / 10, {}))
  figures.push(await run('lines', LINES, {}))
  figures.push(await run('gzip', LINES, { 'content-encoding': 'gzip' }))
  figures.push(await run('with Idempotency-Key', LINES, { 'idempotency-key': 'bench' }))
  figures.push(await run('NDJSON response', LINES, { accept: 'application/x-ndjson' }))
  report()
} finally {
  await gateway.close()
}

async function run(arm: string, lines: number, headers: Record<string, string>): Promise<Figures> {
  const { url, username, password } = gateway
  const edge = await startWorkerd(
    gateway,
    'edge/entry/cloudflare.ts',
    {
      SLUICE_GATEWAY_URL: url,
      SLUICE_GATEWAY_USERNAME: username,
      SLUICE_GATEWAY_PASSWORD: password,
      SLUICE_NDJSON_BYTES_MAX: String(2 ** 30),
    },
    V8_FLAGS,
  )
  try {
    let found = 0
    let bytes = 0
    let early = 0
    let peak = 0
    const collect = () => {
      for (const { value } of gateway.records.splice(0)) {
        if (!value.includes(`"event_id":"line-${found}"`))
          throw new Error(`line ${found} is missing`)
        found++
      }
      peak = Math.max(peak, residentMiB(edge.pid))
      if (found <= lines * WARM_SHARE) early = peak
    }
    const timer = setInterval(collect, 50)
    const before = { cpu: cpuSeconds(edge.pid), at: performance.now() }
    const response = await post(edge.port, headers, function* () {
      for (let i = 0; i < lines; i += 500) {
        const part = Array.from({ length: Math.min(500, lines - i) }, (_, j) => event(i + j)).join(
          '',
        )
        bytes += part.length
        yield part
      }
    })
    clearInterval(timer)
    const seconds = (performance.now() - before.at) / 1000
    collect()
    if (
      found !== lines ||
      response.accepted !== lines ||
      response.results !== (headers.accept ? lines : 0)
    )
      throw new Error(`${arm}: ${JSON.stringify(response)} of ${lines}, ${found} found`)
    return {
      arm,
      lines,
      MiB: bytes / 2 ** 20,
      rate: lines / seconds,
      cpu: ((cpuSeconds(edge.pid) - before.cpu) / lines) * 1e6,
      early,
      peak,
      last: residentMiB(edge.pid),
    }
  } finally {
    await edge.stop()
  }
}

/** @returns the number of accepted events, and of results before the summary */
async function post(
  port: number,
  headers: Record<string, string>,
  parts: () => Generator<string>,
): Promise<{ accepted: number; results: number }> {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    path: '/v1/events',
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson', ...headers },
  })
  const responded = once(outgoing, 'response').then(async ([incoming]) => {
    let results = 0
    let rest = ''
    for await (const chunk of incoming.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      results += lines.length
      // The last complete line is the summary, if there is one.
      if (rest === '')
        rest =
          lines.length > 0 && lines.at(-1)?.startsWith('{"summary"') ? (lines.at(-1) ?? '') : ''
    }
    const last = JSON.parse(rest)
    return {
      accepted: (last.summary ?? last).accepted as number,
      results: last.summary ? results - 1 : 0,
    }
  })
  const body = headers['content-encoding'] ? createGzip() : outgoing
  if (body !== outgoing) (body as ReturnType<typeof createGzip>).pipe(outgoing)
  for (const part of parts()) if (!body.write(part)) await once(body, 'drain')
  body.end()
  return responded
}

function event(i: number): string {
  return `${JSON.stringify({
    event: 'page_view',
    event_id: `line-${i}`,
    user_id: `u${i % 1000}`,
    page: '/pricing',
    timestamp: Date.now(),
    referrer: 'https://example.com/',
  })}\n`
}

function report(): void {
  if (options.json) {
    console.log(JSON.stringify(figures))
    return
  }
  console.log(
    table([
      [
        'one request',
        'lines',
        'MiB',
        'lines/s',
        'CPU s/M',
        'RSS first tenth',
        'RSS peak',
        'RSS end',
      ],
      ...figures.map(({ arm, lines, MiB, rate, cpu, early, peak, last }) => [
        arm,
        lines.toLocaleString('en'),
        MiB.toFixed(0),
        Math.round(rate).toLocaleString('en'),
        cpu.toFixed(1),
        early.toFixed(0),
        peak.toFixed(0),
        last.toFixed(0),
      ]),
    ]),
  )
}
