import { Command } from 'commander'
import type { Config } from '../../core/config.ts'
import {
  findPersonByReference,
  listOperators,
  setOperator,
} from '../../core/identity/people/people.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI, withIdentity } from '../with-identity.ts'

export function createOperatorCommand(config: Config, terminal: Terminal): Command {
  const operator = new Command('operator').description(
    'Choose the people who may do everything in all tenants',
  )
  operator.addCommand(createListCommand(config, terminal))
  operator.addCommand(createChangeCommand(config, terminal, 'grant'))
  operator.addCommand(createChangeCommand(config, terminal, 'revoke'))
  return operator
}

function createListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List the people who are operators')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const operators = await listOperators(db)
        if (options.json) return terminal.printJson(operators)
        if (operators.length === 0)
          return terminal.print('No person is an operator; sign-in links are.')
        terminal.printTable(
          ['Id', 'Name', 'E-mail'],
          operators.map(({ personId, name, email }) => [String(personId), name, email ?? '']),
        )
      }),
    )
}

function createChangeCommand(
  config: Config,
  terminal: Terminal,
  change: 'grant' | 'revoke',
): Command {
  const isOperator = change === 'grant'
  return new Command(change)
    .argument('<person>', 'id or e-mail address of somebody who has signed in')
    .description(
      isOperator
        ? 'Allow a person everything in all tenants'
        : 'Leave a person the roles of their memberships; it holds everywhere within 30 s',
    )
    .option('--json', 'print JSON')
    .action((reference: string, options) =>
      withIdentity(config, async (db, recordChange) => {
        const { personId, issuer } = await findPersonByReference(db, reference)
        const person = await setOperator(db, personId, { isOperator, by: CLI })
        recordChange({
          name: 'operator-changed',
          detail: `person ${personId}: ${isOperator ? 'granted' : 'revoked'}`,
        })
        if (options.json) return terminal.printJson({ ...person, issuer })
        terminal.print(
          `${person.name} is an operator${isOperator ? '' : ' no longer'}: person ${personId}, ${person.email ?? 'without an e-mail address'}, of ${issuer}.`,
        )
      }),
    )
}
