import { actorOf } from '../../../../identity/audit/actor-of.ts'
import type { ChangedBy } from '../../../../identity/people/members.ts'
import { isOperator, scopeOf } from '../../../../identity/viewer.ts'
import { ApiError } from '../../../../lib/api-error.ts'
import { createTokenBuckets } from '../../../../lib/token-buckets.ts'
import type { RequestContext } from '../../context.ts'

/** Of one person in one tenant, and of one person outside of tenants. */
const CHANGES_PER_MINUTE = 60

export type BeginPeopleChange = ReturnType<typeof createPeopleChanges>

/** What every change of members, invitations, sessions and tenants begins with. @throws TOO_MANY_ATTEMPTS */
export function createPeopleChanges() {
  const attempts = createTokenBuckets({ perMinute: CHANGES_PER_MINUTE })
  return ({ viewer, sender }: RequestContext, tenantId?: number): ChangedBy => {
    const person = viewer.kind === 'PERSON' ? `person ${viewer.personId}` : scopeOf(viewer)
    if (!attempts.take(`${tenantId ?? 'none'} ${person}`))
      throw new ApiError(
        'TOO_MANY_ATTEMPTS',
        `A person changes members, invitations and sessions at most ${CHANGES_PER_MINUTE} times a minute.`,
        { retryAfterSeconds: 1 },
      )
    // A person's role decides what may be given and taken.
    return { actor: actorOf(viewer, sender), isOperator: isOperator(viewer) }
  }
}
