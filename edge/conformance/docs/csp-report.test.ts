import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'

const PATH = '/docs/csp-report'
const older = (directive: string) => ({
  'csp-report': { 'effective-directive': directive, 'blocked-uri': 'https://evil.example/secret' },
})
const newer = (directive: string) => [
  { type: 'csp-violation', body: { effectiveDirective: directive, sample: 'secret' } },
]

describeEdges('reports of a broken Content-Security-Policy', (harness) => {
  const post = (body: unknown) =>
    send(harness.edge.port, {
      path: PATH,
      headers: { 'content-type': 'application/csp-report' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  const lines = () =>
    harness.edge
      .log()
      .split('\n')
      .filter((line) => line.includes('Content-Security-Policy'))

  it('are asked for by /docs', async () => {
    const { headers } = await send(harness.edge.port, { method: 'GET', path: '/docs' })
    expect(headers['content-security-policy']).toMatch(
      /; report-uri \/docs\/csp-report; report-to csp$/,
    )
    expect(headers['reporting-endpoints']).toBe('csp="/docs/csp-report"')
  })

  it('make one line a minute at most, with nothing in it but names of directives', async () => {
    const sent = [
      newer('script-src-elem'),
      'nonsense',
      '[]',
      {},
      older('no directive'),
      older('img-src'),
    ]
    for (const body of sent) expect((await post(body)).status).toBe(204)
    await expect.poll(lines).toHaveLength(1)
    const [line = ''] = lines()
    expect(JSON.parse(line.slice(line.indexOf('{')))).toMatchObject({
      level: 'warn',
      directives: { 'script-src-elem': 1 },
    })
    expect(harness.edge.log()).not.toMatch(/secret|evil/)
  })

  it('are refused beyond 16 KiB, and not read beyond a hundred a minute', async () => {
    const padded = (bytes: number) => JSON.stringify(newer('img-src')).padEnd(bytes)
    expect((await post(padded(16_384))).status).toBe(204)
    expect((await post(padded(16_385))).json.code).toBe('BODY_TOO_LARGE')
    for (let i = 0; i < 100; i++) await post(newer('img-src'))
    expect((await post(padded(16_385))).status).toBe(204)
    expect(lines()).toHaveLength(1)
  })
})
