import { Command, Option } from 'commander'
import { LIMITS } from '../../contract/limits.ts'
import type { Config } from '../../core/config.ts'
import { createKey, listKeys, revokeKey } from '../../core/identity/api-keys.ts'
import { listTenants } from '../../core/identity/tenants.ts'
import { formatCount, formatMinute } from '../format.ts'
import { parseTime, parseWholeNumber } from '../parse-options.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { createKeyRotateCommand, describeKeyState } from './key-rotate.ts'

export function createKeyCommand(config: Config, terminal: Terminal): Command {
  const key = new Command('key').description('Create, list, rotate and revoke API keys')
  key.addCommand(createKeyCreateCommand(config, terminal))
  key.addCommand(createKeyListCommand(config, terminal))
  key.addCommand(createKeyRotateCommand(config, terminal))
  key.addCommand(createKeyRevokeCommand(config, terminal))
  return key
}

function createKeyCreateCommand(config: Config, terminal: Terminal): Command {
  return new Command('create')
    .description('Create an API key and print it; it cannot be shown again')
    .option('--tenant <tenant>', 'tenant', 'default')
    .addOption(
      new Option('--scope <scope...>', 'what the key may do')
        .choices(['ingest', 'read', 'admin'])
        .default(['ingest']),
    )
    .option('--name <name>', 'display name', 'a key')
    .addOption(
      new Option(
        '--kind <kind>',
        'public (may be used in web pages), secret or administration key',
      ).choices(['pub', 'sec', 'adm']),
    )
    .option(
      '--limit <events>',
      `events per minute (default: ${LIMITS.keyEventsPerMinuteDefault})`,
      parseWholeNumber(1, 2_147_483_647),
    )
    .option(
      '--origin <origin...>',
      'web origins that may use it: https://shop.example or https://*.shop.example (default: any)',
    )
    .option('--history', 'allow imports of old events with ?historical=true')
    .option('--expires <time>', 'time at which it expires (RFC 3339)', parseTime)
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const created = await createKey(db, {
          tenant: options.tenant,
          name: options.name,
          scopes: options.scope,
          kind: options.kind,
          origins: options.origin,
          eventsPerMinute: options.limit,
          mayImportHistory: options.history,
          expiresAt: options.expires,
        })
        if (options.json)
          return terminal.printJson({
            key: created.key,
            key_id: created.keyId,
            tenant: options.tenant,
          })
        terminal.print(terminal.accent(created.key))
        terminal.print(terminal.muted('Save it now: only its hash is stored.'))
        const tenant = (await listTenants(db)).find(({ tenant }) => tenant === options.tenant)
        const tenantLimit = tenant?.eventsPerMinute ?? LIMITS.tenantEventsPerMinuteDefault
        if ((options.limit ?? 0) > tenantLimit)
          terminal.print(
            `The limit of the tenant is lower: ${formatCount(tenantLimit)} events per minute over all keys.`,
          )
      }),
    )
}

function createKeyListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List API keys, without their secrets')
    .option('--tenant <tenant>', 'only keys of this tenant')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const keys = await listKeys(db, options.tenant)
        if (options.json) return terminal.printJson(keys)
        terminal.printTable(
          [
            'Key',
            'Tenant',
            'Name',
            'Scopes',
            'Events/min',
            'Last hour',
            'Last day',
            'Last used',
            'State',
          ],
          keys.map((key) => [
            `${key.displayPrefix}…`,
            key.tenant,
            key.name,
            key.scopes.join(' '),
            formatCount(key.eventsPerMinute ?? LIMITS.keyEventsPerMinuteDefault),
            formatCount(key.eventsLastHour),
            formatCount(key.eventsLastDay),
            key.lastUsedAt ? formatMinute(key.lastUsedAt) : 'never',
            describeKeyState(key, keys),
          ]),
        )
      }),
    )
}

function createKeyRevokeCommand(config: Config, terminal: Terminal): Command {
  return new Command('revoke')
    .argument('<key>', 'the key, its first characters or its id')
    .description('Revoke an API key; every edge refuses it within 60 s')
    .action((key: string) =>
      withDatabase(config, async (db) => {
        const revoked = await revokeKey(db, key.replace(/…$/, ''))
        terminal.print(
          `Revoked ${revoked.displayPrefix}… (${revoked.name}, tenant ${revoked.tenant}).`,
        )
      }),
    )
}
