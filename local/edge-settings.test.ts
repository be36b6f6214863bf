import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createEdgeSettings, writeDevVars } from './edge-settings.ts'

test('the edges of wrangler and Deno get the settings of the running core, and those of another home only where there are none', () => {
  const checkout = mkdtempSync(join(tmpdir(), 'sluice-checkout-'))
  onTestFinished(() => rmSync(checkout, { recursive: true }))
  const file = join(checkout, '.dev.vars')
  const write = (home: string, password: string) => {
    writeDevVars(home, createEdgeSettings('http://127.0.0.1:4000', password), checkout)
    return readFileSync(file, 'utf8')
  }
  expect(write('/elsewhere', 'first')).toBe(
    [
      'SLUICE_GATEWAY_URL="http://127.0.0.1:4000/gateway"',
      'SLUICE_GATEWAY_USERNAME="sluice"',
      'SLUICE_GATEWAY_PASSWORD="first"',
      'SLUICE_EDGE_NAME="local"',
      '',
    ].join('\n'),
  )
  // It holds a password.
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(write('/another', 'second')).toContain('"first"')
  expect(write(join(checkout, '.sluice'), 'own')).toContain('"own"')
})
