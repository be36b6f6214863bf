import { Show } from 'solid-js'
import { execute } from '../lib/api/client.ts'
import { roleIn } from '../lib/api/documents.ts'
import { graphql } from '../lib/api/graphql.ts'
import { createQuery } from '../lib/api/query.ts'
import { useApp } from '../lib/app-context.ts'
import { ROLES } from '../lib/roles.ts'

const WHOM_TO_ASK = graphql(`
  query WhomToAsk($tenant: ID) { members(tenant: $tenant) { role person { name email } } }
`)
const NAMED_MAX = 3

/** In place of what the viewer may not see: who can give access. */
export function Forbidden(props: {
  /** "Keys", "Members in Settings" */
  area: string
}) {
  const { viewer, tenant } = useApp()
  const managers = createQuery({
    scope: tenant,
    variables: () => ({ tenant: tenant() }),
    isRetried: ({ kind }) => kind === 'unreachable',
    async fetch(variables) {
      const result = await execute(WHOM_TO_ASK, variables)
      if (!result.ok) return result
      const { members } = result.data
      return { ok: true, data: members.filter(({ role }) => role === 'OWNER' || role === 'ADMIN') }
    },
  })
  const named = () =>
    (managers.data() ?? [])
      .slice(0, NAMED_MAX)
      .map(({ person: { name, email } }) => (email && email !== name ? `${name} (${email})` : name))
  const role = () => roleIn(viewer(), tenant())
  return (
    <section class="state" aria-labelledby="forbidden">
      <h2 id="forbidden">You do not have access to {props.area}.</h2>
      <p>
        <Show when={role()}>
          {(own) => (
            <>
              You are {withArticle(ROLES[own()].name)} of <bdi>{tenant()}</bdi>, and this takes
              another role.{' '}
            </>
          )}
        </Show>
        <Show
          when={named().length > 0}
          fallback="Ask an owner or admin of the tenant, or the operator of this Sluice, to change your role."
        >
          To change your role, ask{' '}
          <strong>
            <bdi>{list(named())}</bdi>
          </strong>
          . This page continues by itself once you have access.
        </Show>
      </p>
    </section>
  )
}

const withArticle = (role: string): string =>
  `${/^[AEO]/.test(role) ? 'an' : 'a'} ${role.toLowerCase()}`

const list = (names: string[]): string =>
  names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
