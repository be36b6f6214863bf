import { Command, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import type { ListedKey } from '../../core/identity/api-keys.ts'
import { setKey } from '../../core/identity/set-key.ts'
import { listTenants } from '../../core/identity/tenants.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { formatMinute } from '../format.ts'
import { KEY_ARGUMENT, parseKeyReference } from '../key-argument.ts'
import { describeKeyLimits } from '../key-limits.ts'
import { orNull, parseFutureTime, parseWholeNumber, readNull } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { CLI, withIdentity } from '../with-identity.ts'

export const EVENTS_PER_MINUTE_MAX = 2_147_483_647

export function createKeySetCommand(config: Config, terminal: Terminal): Command {
  return new Command('set')
    .argument('<key>', KEY_ARGUMENT)
    .description('Change settings of an API key; every edge uses them within 60 s')
    .option(
      '--limit, --events-per-minute <events>',
      'events per minute, or default',
      orNull(parseWholeNumber(1, EVENTS_PER_MINUTE_MAX), 'default', 'none'),
    )
    .option('--name <name>', 'display name')
    .option(
      '--origin, --origins <origins...>',
      'web origins that may use it: https://shop.example or https://*.shop.example, or any',
    )
    .addOption(
      new Option(
        '--history, --may-import-history <allowed>',
        'whether it may import old events with ?historical=true',
      ).choices(['true', 'false']),
    )
    .option(
      '--expires <time>',
      'time at which it expires (RFC 3339), or never',
      orNull(parseFutureTime, 'never'),
    )
    .option('--allow-event <names...>', 'names of events that a public key may send, or any')
    .option('--allow-property <names...>', 'properties that its events may have, or any')
    .option('--json', 'print JSON')
    .action((key: string, options) => {
      const reference = parseKeyReference(key)
      const changes = {
        name: options.name,
        origins: readOrigins(options.origins),
        eventsPerMinute: readNull<number>(options.eventsPerMinute),
        mayImportHistory: options.mayImportHistory && options.mayImportHistory === 'true',
        expiresAt: readNull<Date>(options.expires),
        allowedEvents: readList(options.allowEvent),
        allowedProperties: readList(options.allowProperty),
      }
      const changed = Object.entries(changes).flatMap(([name, value]) =>
        value === undefined ? [] : [name],
      )
      if (changed.length === 0)
        throw new UsageError(
          'No change was given.',
          '"npm run sluice -- key set --help" lists the settings.',
        )
      return withIdentity(config, async (db, recordChange) => {
        const result = await setKey(db, reference, changes, { by: CLI })
        recordChange({
          name: 'api-key-changed',
          tenant: result.tenant,
          detail: `key_id ${result.keyId}: ${changed.join(', ')}`,
        })
        if (options.json) return terminal.printJson(result)
        const tenant = (await listTenants(db)).find(({ tenant }) => tenant === result.tenant)
        for (const line of describeKey(result, tenant?.eventsPerMinute ?? null))
          terminal.print(line)
      })
    })
}

function describeKey(key: ListedKey, tenantEventsPerMinute: number | null): string[] {
  return [
    `${key.displayPrefix}… (${key.name}, tenant ${key.tenant})`,
    describeKeyLimits({ ...key, tenantEventsPerMinute })[0] as string,
    `Origins: ${key.origins.join(', ') || 'any'}.`,
    ...(key.kind === 'pub'
      ? [
          `Events: ${key.allowedEvents?.join(', ') ?? 'any'}.`,
          `Properties: ${key.allowedProperties?.join(', ') ?? 'any'}.`,
        ]
      : []),
    `Imports of old events: ${key.mayImportHistory ? 'allowed' : 'not allowed'}.`,
    `Expires: ${key.expiresAt ? `${formatMinute(key.expiresAt)} UTC` : 'never'}.`,
  ]
}

function readOrigins(origins: string[] | undefined): string[] | undefined {
  return origins?.length === 1 && origins[0] === 'any' ? [] : origins
}

/** A list, or null for the word any. */
export function readList(names: string[] | undefined): string[] | null | undefined {
  return names?.length === 1 && names[0] === 'any' ? null : names
}
