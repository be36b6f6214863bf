import { Command, Option } from 'commander'
import { LIMITS } from '../../contract/limits.ts'
import type { Config } from '../../core/config.ts'
import { type CreatedKey, createKey, listKeys, revokeKey } from '../../core/identity/api-keys.ts'
import { listTenants } from '../../core/identity/tenants.ts'
import { formatCount, formatMinute } from '../format.ts'
import { KEY_ARGUMENT, parseKeyReference } from '../key-argument.ts'
import { describeKeyLimits, type KeyLimits, withDefault } from '../key-limits.ts'
import { parseTime, parseWholeNumber } from '../parse-options.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI, withIdentity } from '../with-identity.ts'
import { createKeyRotateCommand, describeKeyState } from './key-rotate.ts'
import { createKeySetCommand, EVENTS_PER_MINUTE_MAX, readList } from './key-set.ts'

export function createKeyCommand(config: Config, terminal: Terminal): Command {
  const key = new Command('key').description('Create, change, list, rotate and revoke API keys')
  key.addCommand(createKeyCreateCommand(config, terminal))
  key.addCommand(createKeySetCommand(config, terminal))
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
      '--limit, --events-per-minute <events>',
      `events per minute (default: ${LIMITS.keyEventsPerMinuteDefault})`,
      parseWholeNumber(1, EVENTS_PER_MINUTE_MAX),
    )
    .option(
      '--origin, --origins <origins...>',
      'web origins that may use it: https://shop.example or https://*.shop.example (default: any)',
    )
    .option(
      '--allow-event <names...>',
      'of a public key: names of events that it may send (default: any)',
    )
    .option(
      '--allow-property <names...>',
      'of a public key: properties that events may have (default: any)',
    )
    .option('--history, --may-import-history', 'allow imports of old events with ?historical=true')
    .option('--expires <time>', 'time at which it expires (RFC 3339)', parseTime)
    .option('--json', 'print JSON')
    .action((options) =>
      withIdentity(config, async (db, recordChange) => {
        const created = await createKey(
          db,
          {
            tenant: options.tenant,
            name: options.name,
            scopes: options.scope,
            kind: options.kind,
            origins: options.origins,
            eventsPerMinute: options.eventsPerMinute,
            mayImportHistory: options.mayImportHistory,
            expiresAt: options.expires,
            allowedEvents: readList(options.allowEvent),
            allowedProperties: readList(options.allowProperty),
          },
          CLI,
        )
        recordChange({
          name: 'api-key-created',
          tenant: options.tenant,
          detail: `key_id ${created.keyId}, scopes ${options.scope.join(' ')}`,
        })
        const tenant = (await listTenants(db)).find(({ tenant }) => tenant === options.tenant)
        const limits = {
          tenant: options.tenant,
          displayPrefix: created.displayPrefix,
          eventsPerMinute: options.eventsPerMinute ?? null,
          tenantEventsPerMinute: tenant?.eventsPerMinute ?? null,
        }
        if (options.json) return terminal.printJson(toJson(created, limits))
        terminal.print(terminal.accent(created.key))
        terminal.print(terminal.muted('Save it now: only its hash is stored.'))
        if (!options.scope.includes('ingest')) return
        for (const line of describeKeyLimits(limits)) terminal.print(terminal.muted(line))
      }),
    )
}

function toJson({ key, keyId }: CreatedKey, limits: KeyLimits) {
  return {
    key,
    key_id: keyId,
    tenant: limits.tenant,
    events_per_minute: limits.eventsPerMinute ?? LIMITS.keyEventsPerMinuteDefault,
    tenant_events_per_minute: limits.tenantEventsPerMinute ?? LIMITS.tenantEventsPerMinuteDefault,
  }
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
            withDefault(key.eventsPerMinute, LIMITS.keyEventsPerMinuteDefault),
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
    .argument('<key>', KEY_ARGUMENT)
    .description('Revoke an API key; every edge refuses it within 60 s')
    .action((key: string) => {
      const reference = parseKeyReference(key)
      return withIdentity(config, async (db, recordChange) => {
        const revoked = await revokeKey(db, reference, { by: CLI })
        recordChange({
          name: 'api-key-revoked',
          tenant: revoked.tenant,
          detail: `key_id ${revoked.keyId}`,
        })
        terminal.print(
          `Revoked ${revoked.displayPrefix}… (${revoked.name}, tenant ${revoked.tenant}).`,
        )
      })
    })
}
