import { Command, Option } from 'commander'
import type { Scope } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { Config } from '../../core/config.ts'
import { createKey, listKeys, revokeKey } from '../../core/identity/api-keys.ts'
import { listTenants } from '../../core/identity/tenants.ts'
import { moment, whole } from '../numbers.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { minute, rotateCommand, stateOf } from './key-rotate.ts'

export function keyCommand(config: Config, terminal: Terminal): Command {
  const key = new Command('key').description('make, list, rotate and revoke API keys')
  key
    .command('create')
    .description('make a key; it is shown once')
    .option('--tenant <tenant>', 'whose', 'default')
    .addOption(
      new Option('--scope <scope...>', 'what it may do')
        .choices(['ingest', 'read', 'admin'])
        .default(['ingest']),
    )
    .option('--name <name>', 'for people', 'a key')
    .addOption(
      new Option('--kind <kind>', 'pub may stand in a web page').choices(['pub', 'sec', 'adm']),
    )
    .option(
      '--limit <events>',
      `events a minute (${LIMITS.keyEventsPerMinuteDefault} unless set)`,
      whole(1, 2_147_483_647),
    )
    .option(
      '--origin <origin...>',
      'web origins it may be used from, https://shop.example or https://*.shop.example (any unless set)',
    )
    .option('--history', 'may import old events with ?historical=true')
    .option('--expires <time>', 'RFC 3339', moment)
    .option('--json', 'for a script')
    .action((options) =>
      withDatabase(config, async (db) => {
        const created = await createKey(db, {
          tenant: options.tenant,
          name: options.name,
          scopes: options.scope as Scope[],
          kind: options.kind,
          origins: options.origin,
          eventsPerMinute: options.limit,
          mayImportHistory: options.history,
          expiresAt: options.expires,
        })
        if (options.json)
          return terminal.json({ key: created.key, key_id: created.keyId, tenant: options.tenant })
        terminal.say(terminal.accent(created.key))
        terminal.say(terminal.muted('Keep it now: only its hash is stored.'))
        const tenant = (await listTenants(db)).find(({ tenant }) => tenant === options.tenant)
        const window = tenant?.eventsPerMinute ?? LIMITS.tenantEventsPerMinuteDefault
        if ((options.limit ?? 0) > window)
          terminal.say(
            `The tenant as a whole may send ${window.toLocaleString('en')} events a minute, fewer than this key.`,
          )
      }),
    )
  key
    .command('list')
    .description('all keys, without their secrets')
    .option('--tenant <tenant>', 'of one tenant')
    .option('--json', 'for a script')
    .action((options) =>
      withDatabase(config, async (db) => {
        const keys = await listKeys(db, options.tenant)
        if (options.json) return terminal.json(keys)
        terminal.table(
          [
            'key',
            'tenant',
            'name',
            'scopes',
            'events/min',
            'last hour',
            'last day',
            'last used',
            'state',
          ],
          keys.map((each) => [
            `${each.displayPrefix}…`,
            each.tenant,
            each.name,
            each.scopes.join(' '),
            String(each.eventsPerMinute ?? LIMITS.keyEventsPerMinuteDefault),
            each.eventsLastHour.toLocaleString('en'),
            each.eventsLastDay.toLocaleString('en'),
            each.lastUsedAt ? minute(each.lastUsedAt) : 'never',
            stateOf(each, keys),
          ]),
        )
      }),
    )
  key.addCommand(rotateCommand(config, terminal))
  key
    .command('revoke <key>')
    .description(
      'by the key itself, its first characters or its id; refused everywhere within 60 s',
    )
    .action((which: string) =>
      withDatabase(config, async (db) => {
        const revoked = await revokeKey(db, which.replace(/…$/, ''))
        terminal.say(
          `Revoked ${revoked.displayPrefix}… (${revoked.name}, tenant ${revoked.tenant}).`,
        )
      }),
    )
  return key
}
