import { Command } from 'commander'
import { LIMITS } from '../../../contract/limits.ts'
import { type Config, UsageError } from '../../config.ts'
import { createTenant, listTenants } from '../../keys/tenants.ts'
import { whole } from '../numbers.ts'
import { withDatabase } from '../running.ts'
import type { Terminal } from '../terminal.ts'

export function tenantCommand(config: Config, terminal: Terminal): Command {
  const tenant = new Command('tenant').description('make and list tenants')
  tenant
    .command('create <tenant>')
    .description('lower-case letters, digits and dashes')
    .option(
      '--limit <events>',
      `events a minute over all keys (${LIMITS.tenantEventsPerMinuteDefault} unless set)`,
      whole(1, 2_147_483_647),
    )
    .option('--max-age <days>', 'older events are dead-lettered', whole(1, 36_500))
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
    .command('list')
    .option('--json', 'for a script')
    .action((options) =>
      withDatabase(config, async (db) => {
        const tenants = await listTenants(db)
        if (options.json) return terminal.json(tenants)
        terminal.table(
          ['tenant', 'events/min', 'oldest event', 'since'],
          tenants.map((each) => [
            each.tenant,
            String(each.eventsPerMinute ?? LIMITS.tenantEventsPerMinuteDefault),
            `${Math.round(each.eventAgeMaxS / 86_400)} days`,
            each.createdAt.slice(0, 10),
          ]),
        )
      }),
    )
  return tenant
}
