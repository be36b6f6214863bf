import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mix } from './mix.ts'
import { type Counts, expectedOf, judge, readMetrics, sum } from './oracle.ts'
import type { System } from './system.ts'

export interface AttackOptions {
  /** Path of the binary. */
  k6: string
  seed: number
  /** Requests a second, whatever the answers take. */
  rate: number
  seconds: number
  /** More than so many at once do not wait for their answers: what would be due then is dropped, and told. */
  waitingMax: number
  /** Lets k6 draw its own progress on the terminal. */
  progress: boolean
}

export interface Verdict {
  requests: number
  /** Milliseconds. */
  latency: { avg: number; p50: number; p95: number; p99: number; max: number }
  /** Requests that were due and never sent, because too many waited for their answers. */
  dropped: number
  tenants: (Counts & { tenant: string })[]
  /** Events of repetitions whose first answer was forgotten. */
  anew: number
  /** What is wrong, one sentence each; empty when every answer and every number is right. */
  faults: string[]
  /** What is slower than it should be. */
  slow: string[]
}

const SCRIPT = fileURLToPath(new URL('./ingest.ts', import.meta.url))
/** k6's own word for "a threshold was crossed". */
const THRESHOLDS_CROSSED = 99
/** A threshold that speaks of time, not of right and wrong. */
const OF_TIME = ['http_req_duration', 'dropped_iterations']

/** Sends the mix, then asks the system what has become of it. */
export async function attack(system: System, options: AttackOptions): Promise<Verdict> {
  const { seed, waitingMax } = options
  const mix: Mix = {
    seed,
    tenants: system.tenants.length,
    // More than can be under way at once: most of what is repeated is over by then.
    apart: 2 * waitingMax,
    baseMs: Date.now(),
  }
  const before = await readMetrics(system)
  const measured = await runK6(system, mix, options)
  const requests = measured.count('started')
  const anew = system.tenants.map((_, t) => measured.count(`anew_${t}`))
  const expected = expectedOf(mix, requests).map((each, t) => ({
    ...each,
    accepted: each.accepted + (anew[t] ?? 0),
    duplicates: each.duplicates + (anew[t] ?? 0),
  }))
  const { counts, faults } = await judge(system, { mix, expected, before })
  // Three accounts of the same: the seed's, k6's and the system's.
  for (const [t, { name }] of system.tenants.entries())
    for (const what of ['accepted', 'rejected', 'warned'] as const) {
      const heard = measured.count(`${what}_${t}`)
      const wanted = expected[t]?.[what]
      if (heard !== wanted)
        faults.push(`${name}: the answers said ${heard} ${what}, and ought to say ${wanted}`)
    }
  if (requests === 0) faults.push('nothing was sent')
  return {
    requests,
    latency: measured.latency,
    dropped: measured.count('dropped_iterations'),
    anew: sum(anew, (count) => count),
    tenants: counts.map((each, t) => ({ tenant: system.tenants[t]?.name ?? '', ...each })),
    faults: [...measured.crossed(false), ...faults],
    slow: measured.crossed(true),
  }
}

async function runK6(system: System, mix: Mix, options: AttackOptions) {
  const { k6, rate, seconds, waitingMax, progress } = options
  const folder = mkdtempSync(join(tmpdir(), 'sluice-k6-'))
  const summary = join(folder, 'summary.json')
  const settings = join(folder, 'settings.json')
  try {
    const keys = system.tenants.map(({ writeKey }) => writeKey)
    const { edgeUrls: urls, forgetful } = system
    const told = { mix, rate, seconds, waitingMax, urls, keys, forgetful, summary }
    // In a file: a command line is for everybody to read.
    writeFileSync(settings, JSON.stringify(told), { mode: 0o600 })
    // Without its own REST server, of which there can be one on a machine.
    const args = ['run', '--address', '', '--no-usage-report', ...(progress ? [] : ['--quiet'])]
    const child = spawn(k6, [...args, SCRIPT], {
      // Memory for time: k6 takes its share of the machine that it measures.
      env: { GOGC: '400', ...process.env, SETTINGS: settings, K6_NO_USAGE_REPORT: 'true' },
      stdio: ['ignore', progress ? 2 : 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr?.on('data', (chunk) => {
      said = (said + chunk).slice(-20_000)
    })
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0 && code !== THRESHOLDS_CROSSED)
      throw new Error(`k6 ended with ${code}: ${said.trim()}`)
    return { said, ...read(JSON.parse(readFileSync(summary, 'utf8')), said) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As k6 hands it to handleSummary. */
interface Summary {
  metrics: Record<
    string,
    { values: Record<string, number>; thresholds?: Record<string, { ok: boolean }> } | undefined
  >
}

function read({ metrics }: Summary, said: string) {
  const { values: times = {} } = metrics.http_req_duration ?? {}
  const complaints = [...said.matchAll(/level=error msg="((?:[^"\\]|\\.)*)"/g)].map(
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
    /** Thresholds that were crossed, those of time or the others. */
    crossed: (ofTime: boolean) =>
      Object.entries(metrics).flatMap(([name, metric]) =>
        OF_TIME.includes(name) === ofTime
          ? Object.entries(metric?.thresholds ?? {})
              .filter(([, { ok }]) => !ok)
              .map(
                ([what]) =>
                  `${name}: ${what} does not hold${ofTime ? '' : `; ${complaints.slice(0, 5).join('; ')}`}`,
              )
          : [],
      ),
  }
}
