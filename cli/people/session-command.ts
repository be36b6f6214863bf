import { Command, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import { endOwnSession, endOwnSessions } from '../../core/identity/people/own-sessions.ts'
import { findPersonByReference } from '../../core/identity/people/people.ts'
import { listSessions } from '../../core/identity/sessions.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { formatMinute } from '../format.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI, withIdentity } from '../with-identity.ts'

export function createSessionCommand(config: Config, terminal: Terminal): Command {
  const session = new Command('session').description('List and end sessions of browsers')
  session.addCommand(createListCommand(config, terminal))
  session.addCommand(createEndCommand(config, terminal))
  session.addCommand(createEndAllCommand(config, terminal))
  return session
}

function createListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List the browsers that are signed in, newest first')
    .option('--person <person>', 'those of one person, by id or e-mail address')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const person = options.person && (await findPersonByReference(db, options.person))
        const sessions = await listSessions(db, person?.personId)
        if (options.json) return terminal.printJson(sessions)
        if (sessions.length === 0) return terminal.print('Nobody is signed in.')
        terminal.printTable(
          ['Session', 'Who', 'By', 'Device', 'Address', 'Last used'],
          sessions.map((each) => [
            each.sessionId,
            each.personName ?? 'operator',
            each.method,
            each.device ?? '',
            each.address ?? '',
            formatMinute(each.lastUsedAt),
          ]),
        )
      }),
    )
}

function createEndCommand(config: Config, terminal: Terminal): Command {
  return new Command('end')
    .argument('<session>', 'id of a session, or the start of one')
    .description('Sign one browser out')
    .option('--json', 'print JSON')
    .action((reference: string, options) =>
      withIdentity(config, async (db, recordChange) => {
        const start = reference.toLowerCase()
        const found = (await listSessions(db)).filter(({ sessionId }) =>
          sessionId.startsWith(start),
        )
        const [session] = found
        if (!session || found.length > 1)
          throw new UsageError(
            `The start "${reference}" matches ${found.length === 0 ? 'no session' : 'several sessions'}.`,
            '"npm run sluice -- session list" shows all of them.',
          )
        const { sessionId, personId: owner } = session
        await endOwnSession(db, { owner, sessionId, by: CLI })
        recordChange({ name: 'session-ended', detail: `session ${sessionId}` })
        if (options.json) return terminal.printJson({ sessionId, ended: true })
        terminal.print(`Ended the session ${sessionId}.`)
      }),
    )
}

function createEndAllCommand(config: Config, terminal: Terminal): Command {
  return new Command('end-all')
    .description('Sign all browsers of a person out, or all that signed in by a link')
    .option('--person <person>', 'id or e-mail address')
    .addOption(
      new Option('--links', 'all sessions that began with a sign-in link').conflicts('person'),
    )
    .option('--json', 'print JSON')
    .action((options) => {
      if (options.person === undefined && !options.links)
        throw new UsageError(
          'Whose sessions are to end was not given.',
          'Pass --person <id or e-mail address>, or --links.',
        )
      return withIdentity(config, async (db, recordChange) => {
        const person = options.person && (await findPersonByReference(db, options.person))
        const ended = await endOwnSessions(db, { owner: person?.personId ?? null, by: CLI })
        const whose = person ? `person ${person.personId}` : 'operator'
        recordChange({ name: 'session-ended', detail: `all of ${whose}` })
        if (options.json) return terminal.printJson({ ended })
        terminal.print(`Ended ${ended} sessions.`)
      })
    })
}
