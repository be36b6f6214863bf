import { Command, Option } from 'commander'
import { LIMITS } from '../../contract/limits.ts'
import type { Config } from '../../core/config.ts'
import { createTenant, listTenants, setTenant } from '../../core/identity/tenants.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { formatCount } from '../format.ts'
import { withDefault } from '../key-limits.ts'
import { orNull, parseDuration, parseWholeNumber, readNull } from '../parse-options.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI, withIdentity } from '../with-identity.ts'
import { EVENTS_PER_MINUTE_MAX } from './key-set.ts'

const AGE_DAYS_MAX = 24_855
const DAY_S = 86_400

export function createTenantCommand(config: Config, terminal: Terminal): Command {
  const tenant = new Command('tenant').description('Create, change and list tenants')
  tenant.addCommand(createTenantCreateCommand(config, terminal))
  tenant.addCommand(createTenantSetCommand(config, terminal))
  tenant.addCommand(createTenantListCommand(config, terminal))
  return tenant
}

function createTenantCreateCommand(config: Config, terminal: Terminal): Command {
  return new Command('create')
    .argument('<tenant>', 'name: lower-case letters, digits and dashes')
    .description('Create a tenant')
    .option(
      '--limit, --events-per-minute <events>',
      `events per minute over all keys (default: ${LIMITS.tenantEventsPerMinuteDefault})`,
      parseWholeNumber(1, EVENTS_PER_MINUTE_MAX),
    )
    .option(
      '--max-age <days>',
      'older events become dead letters',
      parseWholeNumber(1, AGE_DAYS_MAX),
    )
    .option('--json', 'print JSON')
    .action((name: string, options) =>
      withIdentity(config, async (db, recordChange) => {
        const wanted = {
          tenant: name,
          eventsPerMinute: options.eventsPerMinute,
          eventAgeMaxS: options.maxAge && options.maxAge * DAY_S,
        }
        const isNew = await createTenant(db, wanted, CLI)
        if (!isNew)
          throw new UsageError(
            `The tenant "${name}" already exists.`,
            '"npm run sluice -- tenant list" shows all tenants.',
          )
        recordChange({ name: 'tenant-created', tenant: name, detail: name })
        if (options.json)
          return terminal.printJson((await listTenants(db)).find(({ tenant }) => tenant === name))
        const limit = withDefault(
          options.eventsPerMinute ?? null,
          LIMITS.tenantEventsPerMinuteDefault,
        )
        terminal.print(`Created the tenant ${name}. Its limit is ${limit} events per minute.`)
        terminal.print(`Change it:    npm run sluice -- tenant set ${name} --limit 10000`)
        terminal.print(`Create a key: npm run sluice -- key create --tenant ${name}`)
      }),
    )
}

function createTenantSetCommand(config: Config, terminal: Terminal): Command {
  return new Command('set')
    .argument('<tenant>', 'name of the tenant')
    .description('Change settings of a tenant; every edge and worker uses them within a minute')
    .option(
      '--limit, --events-per-minute <events>',
      'events per minute over all keys, or default',
      orNull(parseWholeNumber(1, EVENTS_PER_MINUTE_MAX), 'default', 'none'),
    )
    .option(
      '--max-age <days>',
      'older events become dead letters',
      parseWholeNumber(1, AGE_DAYS_MAX),
    )
    .option(
      '--lateness <time>',
      'how long a bucket waits for late events before it is final, such as 1h',
      parseDuration(365),
    )
    .option(
      '--schema-versions <versions>',
      'accepted values of schema_version, such as 1,2',
      (text) => text.split(','),
    )
    .addOption(
      new Option('--any-schema-version', 'accept any schema_version').conflicts('schemaVersions'),
    )
    .option('--json', 'print JSON')
    .action((name: string, options) => {
      const { json, ...changes } = options
      if (Object.keys(changes).length === 0)
        throw new UsageError(
          'No change was given.',
          '"npm run sluice -- tenant set --help" lists the settings.',
        )
      return withIdentity(config, async (db, recordChange) => {
        const wanted = {
          eventsPerMinute: readNull<number>(options.eventsPerMinute),
          eventAgeMaxS: options.maxAge && options.maxAge * DAY_S,
          allowedLatenessS:
            options.lateness === undefined ? undefined : Math.round(options.lateness / 1000),
          schemaVersions: options.anySchemaVersion ? null : options.schemaVersions,
        }
        const changed = await setTenant(db, name, wanted, CLI)
        recordChange({
          name: 'tenant-changed',
          tenant: name,
          detail: Object.keys(changes).join(', '),
        })
        if (json) return terminal.printJson(changed)
        const { eventsPerMinute, eventAgeMaxS, allowedLatenessS, schemaVersions } = changed
        const limit = eventsPerMinute ?? LIMITS.tenantEventsPerMinuteDefault
        terminal.print(
          `${name}: ${formatCount(limit)} events per minute, at most ${Math.round(eventAgeMaxS / DAY_S)} days old, ` +
            `at most ${formatCount(allowedLatenessS)} s late, ${schemaVersions ? `schema versions ${schemaVersions.join(', ')}` : 'any schema version'}.`,
        )
      })
    })
}

function createTenantListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List tenants')
    .option('--search <text>', 'only those whose name contains this, in any case')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const part: string = (options.search ?? '').toLowerCase()
        const tenants = (await listTenants(db)).filter(({ tenant }) => tenant.includes(part))
        if (options.json) return terminal.printJson(tenants)
        terminal.printTable(
          ['Tenant', 'Events/min', 'Oldest event', 'Schema versions', 'Created'],
          tenants.map((tenant) => [
            tenant.tenant,
            withDefault(tenant.eventsPerMinute, LIMITS.tenantEventsPerMinuteDefault),
            `${Math.round(tenant.eventAgeMaxS / DAY_S)} days`,
            tenant.schemaVersions?.join(', ') ?? 'any',
            tenant.createdAt.slice(0, 10),
          ]),
        )
      }),
    )
}
