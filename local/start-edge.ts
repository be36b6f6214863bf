import type { Lifecycle } from '../core/lifecycle.ts'
import { startCollectorProcess } from './collector-process.ts'
import { startEdgeProcess } from './edge-process.ts'
import { createEdgeSettings, writeDevVars } from './edge-settings.ts'
import type { PartTable } from './parts.ts'
import type { Secrets } from './secrets.ts'

/** What accepts events: core's collector, or the edge in workerd. */
export type EdgeKind = 'collector' | 'workerd'

interface EdgeOptions {
  home: string
  edge: EdgeKind
  siteKeys?: string | undefined
  logLevel: string
}

interface EdgeParts {
  coreUrl: string
  databaseUrl: string
  secrets: Secrets
  table: PartTable
  parts: Lifecycle
}

/** Whichever it is, it listens on this port and has the same name, keys and page. */
export async function startEdge(
  { home, edge: kind, siteKeys = '', logLevel }: EdgeOptions,
  port: number,
  { coreUrl, databaseUrl, secrets, table, parts }: EdgeParts,
): Promise<void> {
  const settings = createEdgeSettings(coreUrl, secrets.gatewayPassword)
  const { onStarted, onEnd } = table.eventsOf('edge')
  const onRestart = (_: string, pid: number) => onStarted(pid)
  // The edge listens on loopback only, so its page may show a key; no other edge gets one.
  const { docsKey } = secrets
  const edge =
    kind === 'collector'
      ? await startCollectorProcess({
          home,
          port,
          databaseUrl,
          docsKey,
          siteKeys,
          logLevel,
          onRestart,
          onEnd,
        })
      : await startEdgeProcess({
          home,
          port,
          bindings: { ...settings, SLUICE_DOCS_KEY: docsKey, SLUICE_SITE_KEYS: siteKeys },
          onRestart,
          onEnd,
        })
  onStarted(edge.pid)
  parts.onStop('edge', () => edge.stop())
  writeDevVars(home, settings)
}
