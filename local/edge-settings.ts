import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GATEWAY_USER } from '../core/gateway/users.ts'
import { ROOT } from '../core/lib/paths.ts'

/** The settings of an edge on this machine's core. */
export function createEdgeSettings(
  coreUrl: string,
  gatewayPassword: string,
): Record<string, string> {
  return {
    SLUICE_GATEWAY_URL: `${coreUrl}/gateway`,
    SLUICE_GATEWAY_USERNAME: GATEWAY_USER,
    SLUICE_GATEWAY_PASSWORD: gatewayPassword,
    SLUICE_EDGE_NAME: 'local',
  }
}

/** Writes .dev.vars, by which `wrangler dev` and `deno task edge` run the same edge against the running core. */
export function writeDevVars(
  home: string,
  settings: Record<string, string>,
  checkout: string = ROOT,
): void {
  const file = join(checkout, '.dev.vars')
  // Only the checkout's own home may replace the file of another.
  if (home !== join(checkout, '.sluice') && existsSync(file)) return
  const lines = Object.entries(settings).map(([name, value]) => `${name}="${value}"`)
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 })
}
