import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import type { Database } from '../../core/db/database.ts'
import type { TenantViewer } from '../../core/identity/viewer.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { QUERY_LIMITS } from '../../core/queries/limits.ts'
import {
  type EventProperty,
  type EventSchema,
  eventSchema,
  eventSchemas,
} from '../../core/queries/schemas/event-schemas.ts'
import { schemaDrift } from '../../core/queries/schemas/schema-drift.ts'
import { describeShare, driftToJson } from '../../core/schemas/describe-drift.ts'
import { formatCount, formatMinute } from '../format.ts'
import { parseTime } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { createCheckCommand, createPinCommand, createUnpinCommand } from './pin-commands.ts'
import { withTenant } from './with-tenant.ts'

export function createSchemaCommand(config: Config, terminal: Terminal): Command {
  const schema = new Command('schema').description('Show what events look like, and what changed')
  schema.addCommand(createListCommand(config, terminal))
  schema.addCommand(createShowCommand(config, terminal))
  schema.addCommand(createDriftCommand(config, terminal))
  schema.addCommand(createPinCommand(config, terminal))
  schema.addCommand(createUnpinCommand(config, terminal))
  schema.addCommand(createCheckCommand(config, terminal))
  return schema
}

function createListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List event names whose schema was learned')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((options) =>
      withTenant(config, options.tenant, async (db, viewer) => {
        const schemas = await listAll(db, viewer)
        if (options.json) return terminal.printJson(schemas.map(toJson))
        if (schemas.length === 0) return terminal.print('No events were sampled yet.')
        terminal.printTable(
          ['Name', 'Sampled', 'Paths', 'First seen', 'Last seen', 'Pinned'],
          schemas.map(({ name, sampled, paths, firstAt, lastAt, pinned }) => [
            ...[name, formatCount(sampled), String(paths)],
            firstAt === null ? '' : formatMinute(firstAt),
            lastAt === null ? '' : formatMinute(lastAt),
            pinned === null ? '' : `${pinned.mode}, version ${pinned.version}`,
          ]),
        )
      }),
    )
}

async function listAll(db: Database, viewer: TenantViewer): Promise<EventSchema[]> {
  const all: EventSchema[] = []
  for (let hasMore = true; hasMore; ) {
    const after = all.at(-1)?.name
    const page = await eventSchemas(db, viewer, {
      limit: QUERY_LIMITS.listMax,
      ...(after !== undefined && { after }),
    })
    all.push(...page.rows)
    hasMore = page.hasMore
  }
  return all
}

function createShowCommand(config: Config, terminal: Terminal): Command {
  return new Command('show')
    .argument('<name>', 'name of the events')
    .description('Show the properties of events, with their types')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((name: string, options) =>
      withTenant(config, options.tenant, async (db, viewer) => {
        const [found] = (await eventSchema(db, viewer, { name })).rows
        if (!found)
          throw new UsageError(
            `No events "${name}" were sampled.`,
            '"npm run sluice -- schema list" shows the names that were.',
          )
        const { schema, properties, document, generated } = found
        if (options.json)
          return terminal.printJson({
            ...toJson(schema),
            properties: properties.map(propertyToJson),
            schema: document && JSON.parse(document),
            generated: generated && JSON.parse(generated),
          })
        terminal.printTable(
          ['Property', 'Types', 'In events', 'Values', 'First seen', 'Last seen'],
          properties.map((property) => [
            property.path,
            property.types
              .map(({ type, share }) => (share === 1 ? type : `${type} (${describeShare(share)})`))
              .join(', '),
            describeShare(property.presence),
            property.cardinality?.toLowerCase() ?? '',
            formatMinute(property.firstAt),
            formatMinute(property.lastAt),
          ]),
        )
        terminal.print(`From ${formatCount(schema.sampled)} sampled events.`)
      }),
    )
}

function createDriftCommand(config: Config, terminal: Terminal): Command {
  return new Command('drift')
    .argument('[name]', 'only of events of this name')
    .description('Show what changed against the learned schemas; exits with 1 where anything did')
    .option('--since <time>', 'since when (RFC 3339; default: seven days ago)', parseTime)
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((name: string | undefined, options) =>
      withTenant(config, options.tenant, async (db, viewer) => {
        const { rows } = await schemaDrift(db, viewer, {
          ...(name !== undefined && { name }),
          ...(options.since && { since: (options.since as Date).toISOString() }),
          limit: QUERY_LIMITS.listMax,
        })
        if (rows.length > 0) process.exitCode = 1
        if (options.json) return terminal.printJson(rows.map(driftToJson))
        if (rows.length === 0) return terminal.print('Nothing changed.')
        for (const drift of rows) terminal.printText(`${drift.name}: ${drift.message}`)
      }),
    )
}

function toJson({ name, sampled, paths, firstAt, lastAt, pinned }: EventSchema) {
  return { name, sampled, paths, first_at: firstAt, last_at: lastAt, pinned }
}

function propertyToJson({ cardinality, firstAt, lastAt, ...rest }: EventProperty) {
  return {
    ...rest,
    cardinality: cardinality?.toLowerCase() ?? null,
    first_at: firstAt,
    last_at: lastAt,
  }
}
