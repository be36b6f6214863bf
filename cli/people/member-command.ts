import { Argument, Command, Option } from 'commander'
import type { Config } from '../../core/config.ts'
import type { Database } from '../../core/db/database.ts'
import {
  invitationUrl,
  inviteMember,
  listInvitations,
} from '../../core/identity/people/invitations.ts'
import {
  type ChangedBy,
  changeRole,
  listMembers,
  removeMember,
} from '../../core/identity/people/members.ts'
import { findPersonByReference } from '../../core/identity/people/people.ts'
import { ROLES, type Role } from '../../core/identity/roles.ts'
import { tenantViewer } from '../../core/identity/viewer.ts'
import { findRunning } from '../../local/run-file.ts'
import { formatMinute } from '../format.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'
import { CLI, withIdentity } from '../with-identity.ts'

/** Who has the database may do everything. */
const OPERATOR: ChangedBy = { actor: CLI, isOperator: true }
const ROLE_NAMES = ROLES.map((role) => role.toLowerCase())

export function createMemberCommand(config: Config, terminal: Terminal): Command {
  const member = new Command('member').description('Invite, list, change and remove members')
  member.addCommand(createListCommand(config, terminal))
  member.addCommand(createInviteCommand(config, terminal))
  member.addCommand(createRoleCommand(config, terminal))
  member.addCommand(createRemoveCommand(config, terminal))
  return member
}

async function tenantIdOf(db: Database, tenant: string): Promise<number> {
  return (await tenantViewer(db, { kind: 'SESSION' }, tenant)).tenantId
}

function createListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List the members of a tenant, and who is invited')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((options) =>
      withDatabase(config, async (db) => {
        const tenantId = await tenantIdOf(db, options.tenant)
        const members = await listMembers(db, tenantId)
        const invitations = await listInvitations(db, tenantId)
        if (options.json) return terminal.printJson({ members, invitations })
        if (members.length === 0) terminal.print('The tenant has no members.')
        else
          terminal.printTable(
            ['Id', 'Name', 'E-mail', 'Role', 'Since'],
            members.map(({ personId, name, email, role, joinedAt }) => [
              String(personId),
              name,
              email ?? '',
              role.toLowerCase(),
              joinedAt.slice(0, 10),
            ]),
          )
        for (const { email, role, expiresAt } of invitations)
          terminal.print(
            `Invited: ${email} as ${role.toLowerCase()}, until ${formatMinute(expiresAt)}.`,
          )
      }),
    )
}

function createInviteCommand(config: Config, terminal: Terminal): Command {
  return new Command('invite')
    .argument('<email>', 'e-mail address of the person, who has to show that it is theirs')
    .description('Invite somebody for seven days, and print the link; it cannot be shown again')
    .addOption(new Option('--role <role>', 'role').choices(ROLE_NAMES).default('viewer'))
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--url <url>', 'URL at which browsers reach core')
    .option('--json', 'print JSON')
    .action((email: string, options) =>
      withIdentity(config, async (db, recordChange) => {
        const tenantId = await tenantIdOf(db, options.tenant)
        const role = readRole(options.role)
        const invited = await inviteMember(db, { tenantId, email, role, by: OPERATOR })
        recordChange({
          name: 'member-changed',
          tenant: options.tenant,
          detail: `invited as ${options.role}`,
        })
        const local = config.databaseUrl ? undefined : findRunning(config.home)?.core_url
        const base =
          options.url ?? local ?? config.publicUrl ?? `http://127.0.0.1:${config.corePort}`
        const url = invitationUrl(base, invited.token)
        if (options.json) return terminal.printJson({ ...invited.invitation, url })
        terminal.print(`Send this link to ${invited.invitation.email}:`)
        terminal.print(terminal.accent(url))
      }),
    )
}

function createRoleCommand(config: Config, terminal: Terminal): Command {
  return new Command('role')
    .argument('<person>', 'id or e-mail address of a member')
    .addArgument(new Argument('<role>', 'role').choices(ROLE_NAMES))
    .description('Change the role of a member; it holds everywhere within 30 s')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((reference: string, role: string, options) =>
      withIdentity(config, async (db, recordChange) => {
        const tenantId = await tenantIdOf(db, options.tenant)
        const { personId } = await findPersonByReference(db, reference)
        const change = { tenantId, personId, role: readRole(role), by: OPERATOR }
        const member = await changeRole(db, change)
        recordChange({
          name: 'member-changed',
          tenant: options.tenant,
          detail: `person ${personId}: ${role}`,
        })
        if (options.json) return terminal.printJson(member)
        terminal.print(`${member.name} has the role ${role} in ${options.tenant}.`)
      }),
    )
}

function createRemoveCommand(config: Config, terminal: Terminal): Command {
  return new Command('remove')
    .argument('<person>', 'id or e-mail address of a member')
    .description('Remove a member; it holds everywhere within 30 s')
    .option('--tenant <tenant>', 'tenant', 'default')
    .option('--json', 'print JSON')
    .action((reference: string, options) =>
      withIdentity(config, async (db, recordChange) => {
        const tenantId = await tenantIdOf(db, options.tenant)
        const { personId, name } = await findPersonByReference(db, reference)
        await removeMember(db, { tenantId, personId, by: OPERATOR })
        recordChange({
          name: 'member-changed',
          tenant: options.tenant,
          detail: `person ${personId} removed`,
        })
        if (options.json) return terminal.printJson({ personId, removed: true })
        terminal.print(`${name} is a member of ${options.tenant} no longer.`)
      }),
    )
}

function readRole(name: string): Role {
  return name.toUpperCase() as Role
}
