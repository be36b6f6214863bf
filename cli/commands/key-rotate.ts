import { Command, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import type { ListedKey } from '../../core/identity/api-keys.ts'
import { rotateKey } from '../../core/identity/rotate-key.ts'
import { formatCount, formatMinute } from '../format.ts'
import { KEY_ARGUMENT, parseKeyReference } from '../key-argument.ts'
import { orNull, parseDuration, parseFutureTime, readNull } from '../parse-options.ts'
import type { Terminal } from '../terminal.ts'
import { CLI, withIdentity } from '../with-identity.ts'

const OVERLAP_DAYS_MAX = 365

export function createKeyRotateCommand(config: Config, terminal: Terminal): Command {
  return new Command('rotate')
    .argument('<key>', KEY_ARGUMENT)
    .description(
      'Create a replacement with the same settings; the old key keeps working for a time',
    )
    .addOption(
      new Option('--overlap <time>', 'how long the old key keeps working')
        .argParser(parseDuration(OVERLAP_DAYS_MAX))
        .default(86_400_000, '24h'),
    )
    .addOption(
      new Option('--until <time>', 'until when the old key keeps working (RFC 3339)')
        .argParser(parseFutureTime)
        .conflicts('overlap'),
    )
    .addOption(
      new Option(
        '--expires <time>',
        'when the new key expires: RFC 3339, or never (default: as the old key)',
      ).argParser(orNull(parseFutureTime, 'never')),
    )
    .option('--json', 'print JSON')
    .action((key: string, options) => {
      const reference = parseKeyReference(key)
      return withIdentity(config, async (db, recordChange) => {
        const rotated = await rotateKey(
          db,
          reference,
          {
            until: options.until ?? new Date(Date.now() + options.overlap),
            expiresAt: readNull<Date>(options.expires),
          },
          { by: CLI },
        )
        recordChange({
          name: 'api-key-rotated',
          tenant: rotated.old.tenant,
          detail: `key_id ${rotated.old.keyId}, replaced by ${rotated.keyId}`,
        })
        if (options.json) terminal.printJson(toJson(rotated))
        else printRotated(terminal, rotated)
      })
    })
}

type RotatedKey = Awaited<ReturnType<typeof rotateKey>>

function toJson({ key, keyId, expiresAt, old }: RotatedKey) {
  return {
    key,
    key_id: keyId,
    tenant: old.tenant,
    expires_at: expiresAt,
    replaces: {
      key_id: old.keyId,
      expires_at: old.expiresAt,
      events_last_hour: old.eventsLastHour,
      events_last_day: old.eventsLastDay,
      last_used_at: old.lastUsedAt,
    },
  }
}

function printRotated(terminal: Terminal, { key, expiresAt, old }: RotatedKey): void {
  terminal.print(terminal.accent(key))
  terminal.print(terminal.muted('Save it now: only its hash is stored.'))
  if (expiresAt) terminal.print(`It expires at ${formatMinute(expiresAt)}.`)
  terminal.print(
    `The old key, ${old.displayPrefix}…, works until ${formatMinute(old.expiresAt ?? '')}.`,
  )
  terminal.print(
    terminal.muted(
      `${describeUse(old)} "npm run sluice -- key list" shows whether it is still used.`,
    ),
  )
}

function describeUse({ eventsLastHour, eventsLastDay, lastUsedAt }: ListedKey): string {
  const last = lastUsedAt ? `it was last used at ${formatMinute(lastUsedAt)}` : 'never used'
  return `It sent ${formatCount(eventsLastHour)} events in the last hour and ${formatCount(eventsLastDay)} in the last day; ${last}.`
}

/** For the list of keys. @param keys all keys, one of which may be its replacement */
export function describeKeyState(key: ListedKey, keys: readonly ListedKey[]): string {
  const { revokedAt, expiresAt, replacedBy } = key
  if (revokedAt) return 'revoked'
  const replacement = keys.find(({ keyId }) => keyId === replacedBy)
  const replaced = replacement ? `, replaced by ${replacement.displayPrefix}…` : ''
  if (!expiresAt) return 'active'
  if (Date.parse(expiresAt) <= Date.now()) return `expired${replaced}`
  return `until ${replacement ? formatMinute(expiresAt) : expiresAt.slice(0, 10)}${replaced}`
}
