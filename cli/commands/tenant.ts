import { Command, Option } from 'commander'
import { LIMITS } from '../../contract/limits.ts'
import type { Config } from '../../core/config.ts'
import { createTenant, listTenants, setTenant } from '../../core/identity/tenants.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { duration, whole } from '../numbers.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function tenantCommand(config: Config, terminal: Terminal): Command {
  const tenant = new Command('tenant').description('make, change and list tenants')
  tenant
    .command('create <tenant>')
    .description('lower-case letters, digits and dashes')
    .option(
      '--limit <events>',
      `events a minute over all keys (${LIMITS.tenantEventsPerMinuteDefault} unless set)`,
      whole(1, 2_147_483_647),
    )
    .option('--max-age <days>', 'older events are dead-lettered', whole(1, 24_855))
    .action((name: string, options) =>
      withDatabase(config, async (db) => {
        const isNew = await createTenant(db, {
          tenant: name,
          eventsPerMinute: options.limit,
          eventAgeMaxS: options.maxAge && options.maxAge * 86_400,
        })
        if (!isNew)
          throw new UsageError(
            `There is a tenant "${name}" already.`,
            '"npx sluice tenant list" shows them all.',
          )
        terminal.say(
          `Made the tenant ${name}. Give it a key: npx sluice key create --tenant ${name}`,
        )
      }),
    )
  tenant
    .command('set <tenant>')
    .description('change what is given; in force everywhere within a minute')
    .option('--limit <events>', 'events a minute over all keys', whole(1, 2_147_483_647))
    .option('--max-age <days>', 'older events are dead-lettered', whole(1, 24_855))
    .option(
      '--lateness <time>',
      'how long a bucket waits for late events before it is final, e.g. 1h',
      duration(365),
    )
    .option(
      '--schema-versions <versions>',
      'which schema_version an event may name, e.g. 1,2',
      (text) => text.split(','),
    )
    .addOption(new Option('--any-schema-version', 'any schema_version').conflicts('schemaVersions'))
    .option('--json', 'for a script')
    .action((name: string, options) => {
      const { json, ...wanted } = options
      if (Object.keys(wanted).length === 0)
        throw new UsageError(
          'Nothing was said to change.',
          '"npx sluice tenant set --help" lists it.',
        )
      return withDatabase(config, async (db) => {
        const changed = await setTenant(db, name, {
          eventsPerMinute: options.limit,
          eventAgeMaxS: options.maxAge && options.maxAge * 86_400,
          allowedLatenessS:
            options.lateness === undefined ? undefined : Math.round(options.lateness / 1000),
          schemaVersions: options.anySchemaVersion ? null : options.schemaVersions,
        })
        if (json) return terminal.json(changed)
        const { eventsPerMinute, eventAgeMaxS, allowedLatenessS, schemaVersions } = changed
        const limit = eventsPerMinute ?? LIMITS.tenantEventsPerMinuteDefault
        terminal.say(
          `${name}: ${limit.toLocaleString('en')} events a minute, not older than ${Math.round(eventAgeMaxS / 86_400)} days, ` +
            `late by ${allowedLatenessS} s at most, ${schemaVersions ? `schema versions ${schemaVersions.join(', ')}` : 'any schema version'}.`,
        )
      })
    })
  tenant
    .command('list')
    .option('--json', 'for a script')
    .action((options) =>
      withDatabase(config, async (db) => {
        const tenants = await listTenants(db)
        if (options.json) return terminal.json(tenants)
        terminal.table(
          ['tenant', 'events/min', 'oldest event', 'schema versions', 'since'],
          tenants.map((each) => [
            each.tenant,
            String(each.eventsPerMinute ?? LIMITS.tenantEventsPerMinuteDefault),
            `${Math.round(each.eventAgeMaxS / 86_400)} days`,
            each.schemaVersions?.join(', ') ?? 'any',
            each.createdAt.slice(0, 10),
          ]),
        )
      }),
    )
  return tenant
}
