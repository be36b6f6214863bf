import { expect, it } from 'vitest'
import { startEdge } from '../../testing/runtimes.ts'
import { installSchemathesis, runSchemathesis, TEST_MS_MAX } from '../../testing/schemathesis.ts'
import { startStubGateway } from '../../testing/stub-gateway.ts'

const EXAMPLES = 6

/** Coverage has a request for each keyword of the schemas of all formats: four minutes of a busy machine. */
const OPTIONS = ['--phases', 'examples,fuzzing']

it(
  'Schemathesis finds no 500 and no status, header, type or body that violates /openapi.json',
  async ({ skip, onTestFinished }) => {
    const tool = await installSchemathesis()
    // In CI a skipped test counts as failed.
    if ('missing' in tool) return skip(`Schemathesis: ${tool.missing}`)
    const gateway = await startStubGateway()
    onTestFinished(() => gateway.close())
    const edge = await startEdge('workerd', gateway)
    onTestFinished(() => edge.stop())
    const { key } = gateway.addKey({ kind: 'pub', may_import_history: true })

    const document = `${edge.url}/openapi.json`
    const { code, report } = await runSchemathesis(tool.python, document, key, EXAMPLES, OPTIONS)
    expect(code, report.slice(-12_000)).toBe(0)
    // A run without tests also exits with 0.
    const [, tested] = /Tested: (\d+)/.exec(report) ?? []
    expect(Number(tested), report).toBeGreaterThan(20)
    const [, requests] = /(\d+) generated/.exec(report) ?? []
    expect(Number(requests), report).toBeGreaterThan(100)
    expect(gateway.records.length).toBeGreaterThan(100)
    expect(edge.log()).not.toMatch(/slc_|unexpected error/)
  },
  TEST_MS_MAX,
)
