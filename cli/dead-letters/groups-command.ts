import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { tenantViewer } from '../../core/identity/viewer.ts'
import { deadLetterGroups } from '../../core/queries/dead-letters/groups.ts'
import { formatCount } from '../format.ts'
import { parseWholeNumber } from '../parse-options.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

export function createGroupsCommand(config: Config, terminal: Terminal): Command {
  return new Command('groups')
    .description('List causes of dead letters, the latest first')
    .option('--tenant <tenant>', 'whose dead letters', 'default')
    .option('--state <state>', 'open or resolved')
    .option('--reason <code>', 'only with this reason')
    .option('--limit <count>', 'how many', parseWholeNumber(1, 100), 20)
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const viewer = await tenantViewer(db, { kind: 'SESSION' }, options.tenant)
        const { rows, counts } = await deadLetterGroups(db, viewer, {
          ...{ first: options.limit, state: options.state, reason: options.reason },
        })
        if (options.json) return terminal.printJson({ counts, groups: rows })
        if (rows.length === 0) return terminal.print('No dead letters.')
        terminal.printTable(
          ['Fingerprint', 'Reason', 'Pointer', 'Client', 'Open', 'Latest', 'State', 'Detail'],
          rows.map((group) => [
            ...[group.fingerprint, group.reason, group.pointer ?? '', group.client ?? ''],
            ...[formatCount(group.open), group.lastAt, group.state, group.detail],
          ]),
        )
      }),
    )
}
