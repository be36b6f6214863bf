import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { compileSchemaText } from '../../contract/schema/compile-schema.ts'
import { findViolation } from '../../contract/schema/find-violation.ts'
import type { Config } from '../../core/config.ts'
import type { Database } from '../../core/db/database.ts'
import type { TenantViewer } from '../../core/identity/viewer.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { eventsPage } from '../../core/queries/events-page.ts'
import { QUERY_LIMITS } from '../../core/queries/limits.ts'
import { type EventSchemaDetails, eventSchema } from '../../core/queries/schemas/event-schemas.ts'
import { pinSchema, unpinSchema } from '../../core/schemas/pin-schema.ts'
import { SCHEMA_MODES } from '../../core/schemas/pinned-schemas.ts'
import { formatCount } from '../format.ts'
import { parseWholeNumber } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { CLI } from '../with-identity.ts'
import { EXAMPLE_SCHEMAS } from './examples.ts'
import { withTenant } from './with-tenant.ts'

interface Source {
  file?: string
  example?: true
}

const EVENTS_MAX = 10_000

export function createPinCommand(config: Config, terminal: Terminal): Command {
  return new Command('pin')
    .argument('<name>', 'name of the events')
    .description('Pin a schema: the one that is pinned, else the learned one, or that of --file')
    .option('--file <path>', 'JSON Schema, draft 2020-12')
    .option('--example', 'the schema of an event type that "sluice load" sends')
    .addOption(
      new Option('--mode <mode>', 'what becomes of others')
        .choices(SCHEMA_MODES)
        .default('observe'),
    )
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((name: string, options) =>
      withTenant(config, options.tenant, async (db, viewer) => {
        const known = await find(db, viewer, name)
        const document = documentOf(name, options, known)
        const version = known?.schema.pinned?.version ?? null
        const change = { name, mode: options.mode, document, version }
        const pinned = await pinSchema(db, viewer.tenantId, change, CLI)
        if (options.json) return terminal.printJson({ name, ...pinned })
        terminal.print(
          `Pinned version ${pinned.version} of the schema of ${name}, mode ${pinned.mode}; in force within a minute.`,
        )
      }),
    )
}

export function createUnpinCommand(config: Config, terminal: Terminal): Command {
  return new Command('unpin')
    .argument('<name>', 'name of the events')
    .description('Unpin a schema: events of the name may be anything again')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((name: string, options) =>
      withTenant(config, options.tenant, async (db, viewer) => {
        const version = (await find(db, viewer, name))?.schema.pinned?.version ?? null
        await unpinSchema(db, viewer.tenantId, { name, version }, CLI)
        if (options.json) return terminal.printJson({ name, pinned: null })
        terminal.print(`Unpinned the schema of ${name}.`)
      }),
    )
}

export function createCheckCommand(config: Config, terminal: Terminal): Command {
  return new Command('check')
    .argument('<name>', 'name of the events')
    .description(
      'Compare the newest stored events with a schema; exits with 1 where any violates it',
    )
    .option('--file <path>', 'JSON Schema (default: the pinned one, else the learned one)')
    .option('--example', 'the schema of an event type that "sluice load" sends')
    .option('--last <count>', 'how many events', parseWholeNumber(1, EVENTS_MAX), 1_000)
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((name: string, options) =>
      withTenant(config, options.tenant, async (db, viewer) => {
        const document = documentOf(name, options, await find(db, viewer, name))
        const result = await compare(db, viewer, { name, document, last: options.last })
        if (result.violating > 0) process.exitCode = 1
        if (options.json) return terminal.printJson(result)
        for (const { pointer, detail, events } of result.violations)
          terminal.printText(`${pointer} ${detail}: ${formatCount(events)} events`)
        terminal.print(
          `${formatCount(result.violating)} of the newest ${formatCount(result.checked)} events violate the schema.`,
        )
      }),
    )
}

async function find(
  db: Database,
  viewer: TenantViewer,
  name: string,
): Promise<EventSchemaDetails | undefined> {
  return (await eventSchema(db, viewer, { name })).rows[0]
}

function documentOf(
  name: string,
  { file, example }: Source,
  known: EventSchemaDetails | undefined,
): string {
  if (file !== undefined) return readFileSync(file, 'utf8')
  if (example) {
    if (Object.hasOwn(EXAMPLE_SCHEMAS, name)) return JSON.stringify(EXAMPLE_SCHEMAS[name], null, 2)
    throw new UsageError(
      `No example has the name "${name}".`,
      `The examples are ${Object.keys(EXAMPLE_SCHEMAS).join(', ')}.`,
    )
  }
  const document = known?.document ?? known?.generated
  if (document == null)
    throw new UsageError(`No events "${name}" were sampled.`, 'Pass a schema with --file.')
  return document
}

async function compare(
  db: Database,
  viewer: TenantViewer,
  { name, document, last }: { name: string; document: string; last: number },
) {
  const compiled = compileSchemaText(document)
  if (!compiled.ok) {
    const { pointer, detail } = compiled.error
    throw new UsageError(
      `The schema ${detail}, at ${pointer || 'its top'}.`,
      'docs/schemas.md lists what is supported.',
    )
  }
  const found = new Map<string, { pointer: string; detail: string; events: number }>()
  let checked = 0
  let violating = 0
  for (let after: string | null = null; checked < last; ) {
    const first = Math.min(QUERY_LIMITS.eventsPageMax, last - checked)
    const page = await eventsPage(db, viewer, { name, first, ...(after !== null && { after }) })
    for (const { node } of page.rows) {
      checked++
      const violation = findViolation(compiled.schema, node.properties as Record<string, unknown>)
      if (!violation) continue
      violating++
      const key = `${violation.pointer} ${violation.detail}`
      const known = found.get(key) ?? { ...violation, events: 0 }
      known.events++
      found.set(key, known)
    }
    after = page.pageInfo.endCursor
    if (!page.pageInfo.hasNextPage) break
  }
  const violations = [...found.values()].sort((a, b) => b.events - a.events).slice(0, 50)
  return { name, checked, violating, violations }
}
