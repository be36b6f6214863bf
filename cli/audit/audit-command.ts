import { Command, InvalidArgumentError } from 'commander'
import type { Config } from '../../core/config.ts'
import type { Database } from '../../core/db/database.ts'
import type { AuditPosition } from '../../core/identity/audit/audit-log.ts'
import { exportedEntry } from '../../core/identity/audit/hash-entry.ts'
import { chainsOf, type Verification, verifyAudit } from '../../core/identity/audit/verify-audit.ts'
import { tenantViewer } from '../../core/identity/viewer.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import {
  type AuditScope,
  auditLogPage,
  type ListedAuditEntry,
} from '../../core/queries/identity/audit-log.ts'
import { QUERY_LIMITS } from '../../core/queries/limits.ts'
import { formatCount, formatSecond } from '../format.ts'
import { parseWholeNumber } from '../parse-options.ts'
import { withDatabase } from '../running-instance.ts'
import type { Terminal } from '../terminal.ts'

/** What the chain of the system as a whole is called; no tenant can have this name. */
const SYSTEM = '@system'
const LISTED_MAX = 10_000

export function createAuditCommand(config: Config, terminal: Terminal): Command {
  const audit = new Command('audit').description(
    'Show who changed what, and verify that the record of it was not changed',
  )
  audit.addCommand(createListCommand(config, terminal))
  audit.addCommand(createVerifyCommand(config, terminal))
  return audit
}

function createListCommand(config: Config, terminal: Terminal): Command {
  return new Command('list')
    .description('List changes, sign-ins and denials, newest first')
    .option('--tenant <tenant>', `tenant, or ${SYSTEM} for the system as a whole`, 'default')
    .option('--action <action>', 'only this action, or with a dot at its end a group: key.')
    .option('--actor <actor>', 'only of this person or key by its id; or operator, cli, system')
    .option('--limit <count>', 'how many', parseWholeNumber(1, LISTED_MAX), 20)
    .option('--json', 'print JSON, one entry a line, as its hash covers it')
    .action((options) =>
      withDatabase(config, async (db) => {
        const entries = await readEntries(db, await scopeOf(db, options.tenant), options)
        if (options.json)
          for (const entry of entries)
            terminal.print(JSON.stringify({ ...exportedEntry(entry), hash: entry.hash }))
        else printEntries(terminal, entries)
      }),
    )
}

async function scopeOf(db: Database, tenant: string): Promise<AuditScope> {
  return tenant === SYSTEM ? 'system' : tenantViewer(db, { kind: 'SESSION' }, tenant)
}

async function readEntries(
  db: Database,
  scope: AuditScope,
  { action, actor, limit }: { action?: string; actor?: string; limit: number },
): Promise<ListedAuditEntry[]> {
  const entries: ListedAuditEntry[] = []
  for (let after: string | undefined; entries.length < limit; ) {
    const first = Math.min(limit - entries.length, QUERY_LIMITS.auditPageMax)
    const { rows, hasNextPage } = await auditLogPage(db, scope, { first, after, action, actor })
    entries.push(...rows.map(({ node }) => node))
    if (!hasNextPage) break
    after = rows.at(-1)?.cursor
  }
  return entries
}

function printEntries(terminal: Terminal, entries: readonly ListedAuditEntry[]): void {
  if (entries.length === 0) {
    terminal.print('No entries.')
    return
  }
  terminal.printTable(
    ['No.', 'Time', 'Actor', 'Action', 'Object', 'From', 'To'],
    entries.map((entry) => [
      String(entry.sequence),
      formatSecond(entry.at),
      actorText(entry),
      entry.action,
      entry.object,
      stateText(entry.before),
      stateText(entry.after),
    ]),
  )
}

function actorText({ actorKind, actor, actorName, address }: ListedAuditEntry): string {
  const who = actorKind === actor ? actor : `${actorKind} ${actorName || actor}`
  return address === null ? who : `${who} (${address})`
}

const STATE_CHARS_MAX = 80

function stateText(state: unknown): string {
  if (state === null) return ''
  const text = JSON.stringify(state)
  return text.length > STATE_CHARS_MAX ? `${text.slice(0, STATE_CHARS_MAX - 1)}…` : text
}

type Heads = ReadonlyMap<string, AuditPosition>

function createVerifyCommand(config: Config, terminal: Terminal): Command {
  return new Command('verify')
    .description(
      'Compute every hash of the audit log again; prints the newest ones, to be kept elsewhere',
    )
    .option('--tenant <tenant>', `only this tenant, or ${SYSTEM} (default: all)`)
    .option(
      '--head <tenant=number:hash...>',
      'an entry that was kept elsewhere: it has to be there, unchanged',
      parseHead,
    )
    .option('--json', 'print JSON')
    .action((options: { tenant?: string; head?: Heads; json?: true }) =>
      withDatabase(config, async (db) => {
        const results = await verifyAll(db, options.tenant, options.head ?? new Map())
        if (options.json) terminal.printJson(results.map(toJson))
        else for (const result of results) printResult(terminal, result)
        if (results.some(({ verification }) => !verification.ok)) process.exitCode = 1
      }),
    )
}

interface ChainResult {
  name: string
  verification: Verification
}

async function verifyAll(
  db: Database,
  only: string | undefined,
  heads: Heads,
): Promise<ChainResult[]> {
  const chains = new Map(
    (await chainsOf(db)).map(({ tenantId, tenant }) => [
      tenantId === 0 ? SYSTEM : (tenant ?? `@${tenantId}`),
      tenantId,
    ]),
  )
  const unknown = only !== undefined && !chains.has(only) && !heads.has(only)
  if (unknown) throw new UsageError(`"${only}" has no audit log.`, 'Leave --tenant out for all.')
  const results: ChainResult[] = []
  for (const name of new Set([...chains.keys(), ...heads.keys()])) {
    if (only !== undefined && name !== only) continue
    const tenantId = chains.get(name)
    const head = heads.get(name)
    const verification =
      tenantId === undefined
        ? { ok: false as const, sequence: null, reason: 'all of it is missing' }
        : await verifyAudit(db, tenantId, { head })
    results.push({ name, verification })
  }
  return results
}

function toJson({ name, verification }: ChainResult) {
  const { ok } = verification
  if (!ok) return { tenant: name, ok, sequence: verification.sequence, reason: verification.reason }
  const { entries, first, head, warning } = verification
  return {
    ...{ tenant: name, ok, entries, first_sequence: first },
    head: head && headText(name, head),
    ...(warning !== undefined && { warning }),
  }
}

function printResult(terminal: Terminal, { name, verification }: ChainResult): void {
  if (!verification.ok) {
    const { sequence, reason } = verification
    terminal.print(`✗ ${name}: ${sequence === null ? '' : `entry ${sequence}: `}${reason}.`)
    return
  }
  const { entries, first, head, warning } = verification
  const from = first !== null && first > 1 ? `, from entry ${first} on` : ''
  terminal.print(`✓ ${name}: ${formatCount(entries)} entries as they were written${from}.`)
  if (warning !== undefined) terminal.print(`  Warning: ${warning}.`)
  if (head) terminal.print(terminal.muted(`  --head ${headText(name, head)}`))
}

function headText(name: string, { sequence, hash }: AuditPosition): string {
  return `${name}=${sequence}:${hash}`
}

/** For commander, which calls it for each value. */
function parseHead(text: string, former: Heads | undefined): Heads {
  const [, tenant, sequence, hash] =
    /^([@a-z0-9-]{1,63})=(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (tenant === undefined || sequence === undefined || hash === undefined)
    throw new InvalidArgumentError('Use what "audit verify" printed: tenant=number:hash.')
  return new Map(former ?? []).set(tenant, { sequence: Number(sequence), hash })
}
