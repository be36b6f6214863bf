import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'

/** The README's own commands, run as a stranger would paste them. */
const text = ['README.md', 'docs/sending.md']
  .map((file) => readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8'))
  .join('\n')
const LOCAL = 'http://127.0.0.1:8787'
/** Those that query core are tested in tests/guide-queries.test.ts. */
const COMMANDS = [...text.matchAll(/```sh\n([^`]*curl[^`]*)```/g)]
  .map((found) => found[1] ?? '')
  .filter((command) => command.includes(LOCAL))

describeEdges('the README tested against the edge', (harness) => {
  it('shows every ingest format', () => {
    for (const format of [
      '/v1/events',
      'ndjson',
      'ce-id',
      '/v1/track',
      '/capture',
      '/v1/logs',
      '/track',
      '/2/httpapi',
      '/mp/collect',
      '/api/event',
      '/api/send',
      '/api/s/',
      '/tp2',
      '/ingest',
      'pixel',
    ])
      expect(COMMANDS.filter((command) => command.includes(format))).not.toEqual([])
  })

  it.each(COMMANDS)('has a working command: %s', async (command) => {
    const before = harness.gateway.records.length
    const { stdout } = await promisify(execFile)(
      'bash',
      ['-ec', `set -o pipefail\n${command.replaceAll(LOCAL, harness.edge.url)}`],
      {
        env: {
          PATH: process.env.PATH,
          KEY: harness.newKey(),
          PUBLIC_KEY: harness.newKey({ kind: 'pub' }),
        },
        timeout: 10_000,
      },
    )
    expect(stdout).not.toContain('problem')
    // Three NDJSON lines, two events in a batch, or one event for each curl.
    const expected = command.includes('printf')
      ? 3
      : command.includes('{"events"')
        ? 2
        : curls(command)
    const arrived = harness.gateway.records.slice(before).map(({ value }) => JSON.parse(value))
    expect(arrived.map(({ event }) => event?.name).filter(Boolean)).toHaveLength(expected)
  })
})

function curls(command: string): number {
  return command.match(/^curl /gm)?.length ?? 0
}
