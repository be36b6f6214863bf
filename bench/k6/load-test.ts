import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mix } from './mix.ts'
import { type Counts, checkResults, expectedOf, readMetrics, sum } from './oracle.ts'
import type { System } from './system.ts'

export interface LoadTestOptions {
  /** Path of the binary. */
  k6: string
  seed: number
  /** Requests a second, regardless of response times. */
  rate: number
  seconds: number
  /** Requests in flight; a request that is due beyond that is dropped and counted. */
  inFlightMax: number
  /** Shows k6's progress on the terminal. */
  progress: boolean
}

export interface LoadTestResult {
  requests: number
  /** Milliseconds. */
  latency: { avg: number; p50: number; p95: number; p99: number; max: number }
  /** Requests that were due but not sent, because too many were in flight. */
  dropped: number
  tenants: (Counts & { tenant: string })[]
  /** Events of repetitions whose first response was lost. */
  reprocessed: number
  /** One sentence for each wrong response or number; empty when all are right. */
  errors: string[]
  /** Exceeded thresholds of latency. */
  exceededThresholds: string[]
}

const SCRIPT = fileURLToPath(new URL('./ingest.ts', import.meta.url))
/** k6's exit code when a threshold was exceeded. */
const THRESHOLDS_CROSSED = 99
/** Metrics whose thresholds concern time, not correctness. */
const LATENCY_METRICS = ['http_req_duration', 'dropped_iterations']

/** Sends the mix, then compares the system's numbers with the plan. */
export async function runLoadTest(
  system: System,
  options: LoadTestOptions,
): Promise<LoadTestResult> {
  const { seed, inFlightMax } = options
  const mix: Mix = {
    seed,
    tenants: system.tenants.length,
    // More than can be in flight, so that most repeated requests are complete by then.
    minDistance: 2 * inFlightMax,
    baseMs: Date.now(),
  }
  const before = await readMetrics(system)
  const measured = await runK6(system, mix, options)
  const requests = measured.count('started')
  const reprocessed = system.tenants.map((_, t) => measured.count(`reprocessed_${t}`))
  const expected = expectedOf(mix, requests).map((tenantCounts, t) => ({
    ...tenantCounts,
    accepted: tenantCounts.accepted + (reprocessed[t] ?? 0),
    duplicates: tenantCounts.duplicates + (reprocessed[t] ?? 0),
  }))
  const { counts, errors } = await checkResults(system, { mix, expected, before })
  // Compares three counts of the same events: the plan's, k6's and the system's.
  for (const [t, { name }] of system.tenants.entries())
    for (const what of ['accepted', 'rejected', 'warned'] as const) {
      const reported = measured.count(`${what}_${t}`)
      const planned = expected[t]?.[what]
      if (reported !== planned)
        errors.push(`${name}: the responses reported ${reported} ${what} instead of ${planned}`)
    }
  if (requests === 0) errors.push('no request was sent')
  return {
    requests,
    latency: measured.latency,
    dropped: measured.count('dropped_iterations'),
    reprocessed: sum(reprocessed, (count) => count),
    tenants: counts.map((tenantCounts, t) => ({
      tenant: system.tenants[t]?.name ?? '',
      ...tenantCounts,
    })),
    errors: [...measured.exceeded(false), ...errors],
    exceededThresholds: measured.exceeded(true),
  }
}

async function runK6(system: System, mix: Mix, options: LoadTestOptions) {
  const { k6, rate, seconds, inFlightMax, progress } = options
  const folder = mkdtempSync(join(tmpdir(), 'sluice-k6-'))
  const summary = join(folder, 'summary.json')
  const settings = join(folder, 'settings.json')
  try {
    const keys = system.tenants.map(({ writeKey }) => writeKey)
    const { edgeUrls: urls, mayForgetResponses } = system
    const settingsJson = {
      mix,
      rate,
      seconds,
      inFlightMax,
      urls,
      keys,
      mayForgetResponses,
      summary,
    }
    // In a file, because other users can read a command line.
    writeFileSync(settings, JSON.stringify(settingsJson), { mode: 0o600 })
    // Without k6's REST server, whose port can be used only once on a machine.
    const args = ['run', '--address', '', '--no-usage-report', ...(progress ? [] : ['--quiet'])]
    const child = spawn(k6, [...args, SCRIPT], {
      // More memory for less CPU, because k6 runs on the machine that it measures.
      env: { GOGC: '400', ...process.env, SETTINGS: settings, K6_NO_USAGE_REPORT: 'true' },
      stdio: ['ignore', progress ? 2 : 'ignore', 'pipe'],
    })
    let output = ''
    child.stderr?.on('data', (chunk) => {
      output = (output + chunk).slice(-20_000)
    })
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0 && code !== THRESHOLDS_CROSSED)
      throw new Error(`k6 exited with ${code}: ${output.trim()}`)
    return { output, ...parseSummary(JSON.parse(readFileSync(summary, 'utf8')), output) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The argument of k6's handleSummary. */
interface Summary {
  metrics: Record<
    string,
    { values: Record<string, number>; thresholds?: Record<string, { ok: boolean }> } | undefined
  >
}

function parseSummary({ metrics }: Summary, output: string) {
  const { values: times = {} } = metrics.http_req_duration ?? {}
  const loggedErrors = [...output.matchAll(/level=error msg="((?:[^"\\]|\\.)*)"/g)].map(
    ([, what]) => what,
  )
  return {
    count: (name: string) => metrics[name]?.values.count ?? 0,
    latency: {
      avg: times.avg ?? 0,
      p50: times.med ?? 0,
      p95: times['p(95)'] ?? 0,
      p99: times['p(99)'] ?? 0,
      max: times.max ?? 0,
    },
    /** Exceeded thresholds: those of latency, or the others. */
    exceeded: (isLatency: boolean) =>
      Object.entries(metrics).flatMap(([name, metric]) =>
        LATENCY_METRICS.includes(name) === isLatency
          ? Object.entries(metric?.thresholds ?? {})
              .filter(([, { ok }]) => !ok)
              .map(
                ([what]) =>
                  `${name}: threshold ${what} exceeded${isLatency ? '' : `; ${loggedErrors.slice(0, 5).join('; ')}`}`,
              )
          : [],
      ),
  }
}
