import { expect, test } from 'vitest'
import {
  installSchemathesis,
  runSchemathesis,
  TEST_MS_MAX,
} from '../../../edge/testing/schemathesis.ts'
import { createKey } from '../../identity/api-keys.ts'
import { createQueryFixture } from '../graphql/testing/fixture.ts'
import { createCoreApp } from '../http/app.ts'
import { createMetrics } from '../http/metrics.ts'
import { serveApp } from '../http/serve.ts'

const EXAMPLES = 6

/**
 * No JSON Schema knows which cursors exist, or that a range ends after it begins: a 4xx to what fits the schema is no
 * fault.
 */
const OPTIONS = ['--exclude-checks', 'valid_data_is_taken']

test(
  'Schemathesis finds no fault and no status, header, type or body of REST that violates /v1/openapi.json',
  async ({ skip, onTestFinished }) => {
    const tool = await installSchemathesis()
    // In CI a skipped test counts as failed.
    if ('missing' in tool) return skip(`Schemathesis: ${tool.missing}`)
    const fixture = await createQueryFixture()
    onTestFinished(() => fixture.close())
    await fixture.store(
      'default',
      Array.from({ length: 30 }, (_, i) => ({
        id: i % 2 === 0 ? `event-${i}` : undefined,
        actor: `actor-${i % 3}`,
        source: 'web',
        properties: { plan: 'pro' },
      })),
    )
    await fixture.database.pool.query(
      "INSERT INTO worker_heartbeat (worker_id, beat_at) VALUES ('a worker', now() + interval '1 hour')",
    )
    const scopes = ['read', 'admin'] as const
    const { key } = await createKey(fixture.db, { tenant: 'default', name: 'test', scopes })
    const logged: object[] = []
    const { db, log, graphql } = fixture
    const app = createCoreApp({
      db,
      log,
      logger: { error: (fields) => logged.push(fields) },
      metrics: createMetrics({ db, log }),
      api: { graphql, dashboardFolder: '/nowhere' },
    })
    const core = await serveApp(app, { port: 0 })
    onTestFinished(() => core.close(0))

    const document = `${core.url}/v1/openapi.json`
    const { code, report } = await runSchemathesis(tool.python, document, key, EXAMPLES, OPTIONS)
    expect(code, report.slice(-12_000)).toBe(0)
    expect(logged).toEqual([])
    // A key is refused where somebody has to be behind it (core/identity/roles.ts), and nowhere else.
    const refused = /Authentication failed:[\s\S]*?\n\n 💡/.exec(report)?.[0] ?? ''
    const paths = [...refused.matchAll(/- [A-Z]+ (\/\S+)/g)].map(([, path]) => path)
    const ofPeople = /^\/v1\/(audit|invitations|keys|members|sessions|tenants)\b/
    expect(paths.filter((path) => !ofPeople.test(path as string))).toEqual([])
    expect(refused).not.toContain('401')
    // A run without tests also exits with 0.
    const [, tested] = /Tested: (\d+)/.exec(report) ?? []
    expect(Number(tested), report).toBeGreaterThan(25)
    const [, requests] = /(\d+) generated/.exec(report) ?? []
    expect(Number(requests), report).toBeGreaterThan(100)
  },
  TEST_MS_MAX,
)
