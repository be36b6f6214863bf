import { Command, InvalidArgumentError, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import type { ListedKey } from '../../core/identity/api-keys.ts'
import { rotateKey } from '../../core/identity/rotate-key.ts'
import { duration, moment } from '../numbers.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

const OVERLAP_DAYS_MAX = 365

export function rotateCommand(config: Config, terminal: Terminal): Command {
  return new Command('rotate')
    .argument('<key>', 'the key itself, its first characters or its id')
    .description('make a new key with everything of an old one, which works on for a while')
    .addOption(
      new Option('--overlap <time>', 'how long the old one works on')
        .argParser(duration(OVERLAP_DAYS_MAX))
        .default(86_400_000, '24h'),
    )
    .addOption(
      new Option('--until <time>', 'or until when, RFC 3339')
        .argParser(toCome)
        .conflicts('overlap'),
    )
    .addOption(
      new Option('--expires <time>', 'when the new one expires: RFC 3339, or never')
        .argParser((text) => (text === 'never' ? null : toCome(text)))
        .default(undefined, 'when the old one would have'),
    )
    .option('--json', 'for a script')
    .action((which: string, options) =>
      withDatabase(config, async (db) => {
        const rotated = await rotateKey(db, which.replace(/…$/, ''), {
          until: options.until ?? new Date(Date.now() + options.overlap),
          expiresAt: options.expires,
        })
        const { old } = rotated
        if (options.json)
          return terminal.json({
            key: rotated.key,
            key_id: rotated.keyId,
            tenant: old.tenant,
            expires_at: rotated.expiresAt,
            replaces: {
              key_id: old.keyId,
              expires_at: old.expiresAt,
              events_last_hour: old.eventsLastHour,
              events_last_day: old.eventsLastDay,
              last_used_at: old.lastUsedAt,
            },
          })
        terminal.say(terminal.accent(rotated.key))
        terminal.say(terminal.muted('Keep it now: only its hash is stored.'))
        if (rotated.expiresAt) terminal.say(`It expires at ${minute(rotated.expiresAt)} UTC.`)
        terminal.say(
          `The old one, ${old.displayPrefix}…, works until ${minute(old.expiresAt ?? '')} UTC.`,
        )
        terminal.say(
          terminal.muted(
            `${howUsed(old)} "npx sluice key list" tells when nobody uses it any more.`,
          ),
        )
      }),
    )
}

function howUsed({ eventsLastHour, eventsLastDay, lastUsedAt }: ListedKey): string {
  const [hour, day] = [eventsLastHour, eventsLastDay].map((events) => events.toLocaleString('en'))
  const last = lastUsedAt ? `it was last used at ${minute(lastUsedAt)} UTC` : 'it was never used'
  return `In the last hour ${hour} events came with it, in the last day ${day}; ${last}.`
}

/** In words for the list. @param all keys, one of which may have taken its place */
export function stateOf(key: ListedKey, all: readonly ListedKey[]): string {
  const { revokedAt, expiresAt, replacedBy } = key
  if (revokedAt) return 'revoked'
  const heir = all.find(({ keyId }) => keyId === replacedBy)
  const replaced = heir ? `, replaced by ${heir.displayPrefix}…` : ''
  if (!expiresAt) return 'good'
  if (Date.parse(expiresAt) <= Date.now()) return `expired${replaced}`
  return `until ${heir ? minute(expiresAt) : expiresAt.slice(0, 10)}${replaced}`
}

/** `2026-11-21 09:20`, UTC. @param time RFC 3339 */
export function minute(time: string): string {
  return time.slice(0, 16).replace('T', ' ')
}

function toCome(text: string): Date {
  const time = moment(text)
  if (time.getTime() < Date.now()) throw new InvalidArgumentError('That time is over.')
  return time
}
