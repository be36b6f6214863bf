import { type Role, roleAllows } from '../identity/roles.ts'

type ExecuteQuery = (sql: string, values: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>

/** Whether who began a job may still do so: a person who was demoted or removed may not. */
export async function mayReplay(
  execute: ExecuteQuery,
  tenantId: number,
  { kind, personId }: { kind: string; personId?: number },
): Promise<boolean> {
  if (kind !== 'person') return kind === 'operator' || kind === 'cli'
  const { rows } = await execute(
    `SELECT p.is_operator, m.role FROM person p LEFT JOIN membership m ON m.person_id = p.person_id AND m.tenant_id = $1
      WHERE p.person_id = $2`,
    [tenantId, personId],
  )
  const [person] = rows
  if (!person) return false
  const role = (person.role as Role | null) ?? undefined
  return person.is_operator === true || roleAllows(role, 'dead-letters.replay')
}
