import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createMcpFixture, type McpFixture } from './testing/fixture.ts'

/**
 * The scenarios of the published suite that need no tools, resources or prompts of its own test server. It knows the
 * revisions before 2026-07-28 only.
 */
const SCENARIOS = ['server-initialize', 'ping', 'tools-list', 'dns-rebinding-protection']
const SUITE = fileURLToPath(
  new URL('../../../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url),
)

let mcp: McpFixture
const folder = mkdtempSync(join(tmpdir(), 'sluice-mcp-'))
/** The suite sends no credentials: this adds the key, and changes nothing else. */
const proxy = createServer((incoming, outgoing) => {
  const { method, url, headers } = incoming
  const options = { port: mcp.core.port, path: url, method, headers: { ...headers, ...mcp.key } }
  const forwarded = request(options, (response) => {
    outgoing.writeHead(response.statusCode ?? 502, response.headers)
    response.pipe(outgoing)
  })
  forwarded.once('error', () => outgoing.destroy())
  incoming.pipe(forwarded)
})

beforeAll(async () => {
  mcp = await createMcpFixture()
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  proxy.closeAllConnections()
  proxy.close()
  await mcp.close()
  rmSync(folder, { recursive: true })
})

test.each(SCENARIOS)('the published conformance suite passes: %s', async (scenario) => {
  const { port } = proxy.address() as AddressInfo
  const args = [SUITE, 'server', '--url', `http://localhost:${port}/mcp`, '--scenario', scenario]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: folder,
    timeout: 30_000,
  })
  expect(stdout).toMatch(/Passed: [1-9]\d*\/\d+, 0 failed/)
})
