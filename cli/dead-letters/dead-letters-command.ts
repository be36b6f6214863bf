import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import {
  type DeadLetter,
  findDeadLetter,
  listDeadLetters,
} from '../../core/queries/dead-letters/dead-letters.ts'
import { parseWholeNumber } from '../parse-options.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { createGroupsCommand } from './groups-command.ts'
import { createCancelCommand, createJobsCommand, createPlanCommand } from './jobs-commands.ts'

const LISTED_MAX = 1_000

export function createDeadLettersCommand(config: Config, terminal: Terminal): Command {
  const deadLetters = new Command('dead-letters').description(
    'Show accepted events that could not be stored, and plan what to do with them',
  )
  deadLetters.addCommand(createListCommand(config, terminal))
  deadLetters.addCommand(createShowCommand(config, terminal))
  deadLetters.addCommand(createGroupsCommand(config, terminal))
  deadLetters.addCommand(createPlanCommand(config, terminal))
  deadLetters.addCommand(createJobsCommand(config, terminal))
  deadLetters.addCommand(createCancelCommand(config, terminal))
  return deadLetters
}

function createListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List dead letters, newest first')
    .option('--tenant <tenant>', 'only of this tenant')
    .option('--reason <code>', 'only with this reason, such as TOO_OLD')
    .option('--limit <count>', 'how many', parseWholeNumber(1, LISTED_MAX), 20)
    .option('--json', 'print JSON, with what was received')
    .action((options) =>
      withDatabase(config, async (db) => {
        const found = await listDeadLetters(db, options)
        if (options.json) return terminal.printJson(found.map(toJson))
        if (found.length === 0) return terminal.print('No dead letters.')
        terminal.printTable(
          ['Id', 'Received', 'Tenant', 'Reason', 'Format', 'Detail'],
          found.map((deadLetter) => [
            deadLetter.id,
            deadLetter.receivedAt,
            deadLetter.tenant ?? 'none',
            deadLetter.reason,
            deadLetter.route ?? '',
            deadLetter.detail,
          ]),
        )
        terminal.print(
          terminal.muted('"npm run sluice -- dead-letters show <id>" shows what was received.'),
        )
      }),
    )
}

function createShowCommand(config: Config, terminal: Terminal): Command {
  return new Command('show')
    .argument('<id>', 'id of the dead letter')
    .description('Show one dead letter and what was received')
    .option('--json', 'print JSON')
    .action((id: string, options) =>
      withDatabase(config, async (db) => {
        const found = await findDeadLetter(db, id)
        if (!found)
          throw new UsageError(
            `The dead letter ${id} does not exist.`,
            '"npm run sluice -- dead-letters list" shows the newest.',
          )
        if (options.json) return terminal.printJson(toJson(found))
        const { original, ...fields } = toJson(found)
        terminal.printTable(
          ['Field', 'Value'],
          Object.entries(fields).map(([name, value]) => [name, String(value ?? 'none')]),
        )
        terminal.print()
        terminal.printText(original)
      }),
    )
}

function toJson(deadLetter: DeadLetter) {
  return {
    id: deadLetter.id,
    tenant: deadLetter.tenant,
    reason: deadLetter.reason,
    detail: deadLetter.detail,
    received_at: deadLetter.receivedAt,
    route: deadLetter.route,
    client: deadLetter.client,
    request_id: deadLetter.requestId,
    partition: deadLetter.partition,
    offset: deadLetter.offset,
    state: deadLetter.state,
    original_bytes: deadLetter.originalBytes,
    original: deadLetter.original,
  }
}
