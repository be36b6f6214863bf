import { ENRICHMENT_NAMES } from '../../../../contract/enrichment.ts'
import type { Viewer } from '../../../identity/viewer.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import { type VisibleTenant, visibleTenants } from '../../../queries/visible-tenants.ts'
import type { Builder } from '../builder.ts'
import type { Onboarding } from '../context.ts'

export function addViewer(builder: Builder): void {
  const kind = builder.enumType('ViewerKind', { values: ['SESSION', 'KEY'] as const })

  const tenant = builder.objectRef<VisibleTenant>('Tenant').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      hasEvents: t.exposeBoolean('hasEvents', {
        description: 'Whether any event was ever stored.',
      }),
      enrichments: t.exposeStringList('enrichments', {
        description: `What is derived from its events: ${ENRICHMENT_NAMES.join(', ')}.`,
      }),
    }),
  })

  const onboarding = builder.objectRef<Onboarding>('Onboarding').implement({
    fields: (t) => ({
      edgeUrl: t.exposeString('edgeUrl'),
      tenant: t.exposeString('tenant'),
      writeKey: t.exposeString('writeKey'),
    }),
  })

  const viewer = builder.objectRef<Viewer>('Viewer').implement({
    fields: (t) => ({
      kind: t.expose('kind', { type: kind }),
      tenants: t.field({
        type: [tenant],
        description: `At most ${QUERY_LIMITS.tenantsListedMax}, in the order of their creation; of a search the best match first.`,
        args: {
          search: t.arg.string({ description: 'Part of the id, in any case.' }),
          first: t.arg.int(),
          after: t.arg.id({ description: 'The id of the last one of the page before.' }),
        },
        async resolve(viewer, args, context, info) {
          return [...(await context.run(visibleTenants, viewer, args, info)).rows]
        },
      }),
      onboarding: t.field({
        type: onboarding,
        nullable: true,
        description: 'What a person needs to send a first event; null unless signed in.',
        // A read key must not lead to a write key.
        resolve: (viewer, _, { onboarding }) =>
          viewer.kind === 'SESSION' ? onboarding?.() : undefined,
      }),
    }),
  })

  builder.queryField('viewer', (t) =>
    t.field({
      type: viewer,
      description: 'The sender of the request, and the tenants that it may query.',
      resolve: (_, __, { viewer }) => viewer,
    }),
  )
}
