import { type FilterInput, readFilter } from '../../../../dead-letters/filter.ts'
import { cancelJob, createJob } from '../../../../dead-letters/jobs.ts'
import { WORKBENCH_LIMITS } from '../../../../dead-letters/limits.ts'
import { actorOf } from '../../../../identity/audit/actor-of.ts'
import { ApiError } from '../../../../lib/api-error.ts'
import { type DeadLetterJob, deadLetterJobs } from '../../../../queries/dead-letters/jobs.ts'
import type { Builder } from '../../builder.ts'
import type { RequestContext } from '../../context.ts'
import { needs } from '../../permissions.ts'
import { filterInput } from './filter-input.ts'

export function addDeadLetterJobs(builder: Builder): void {
  const job = addJobType(builder)
  builder.queryField('deadLetterJobs', (t) =>
    t.field({
      ...needs('dead-letters.read'),
      type: [job],
      description: `Plans, the newest first; at most ${WORKBENCH_LIMITS.jobsPageMax}. Or the one with this id.`,
      complexity: { field: 5, multiplier: 10 },
      args: { tenant: t.arg.id(), id: t.arg.id() },
      async resolve(_, { tenant, id }, context, info) {
        const viewer = await context.tenant(tenant)
        return [...(await context.run(deadLetterJobs, viewer, { id }, info)).rows]
      },
    }),
  )
  builder.mutationField('planDeadLetters', (t) =>
    t.field({
      ...needs('dead-letters.replay'),
      type: job,
      description: `What a replay of these dead letters would do, as a job that changes nothing. At most ${WORKBENCH_LIMITS.jobDeadLettersMax} of them.`,
      args: {
        tenant: t.arg.id(),
        filter: t.arg({ type: filterInput(builder), required: true }),
        patch: t.arg.string({ description: PATCH }),
      },
      resolve: (_, { tenant, filter, patch }, context) => begin(context, tenant, filter, patch),
    }),
  )
  builder.mutationField('cancelDeadLetterJob', (t) =>
    t.field({
      ...needs('dead-letters.replay'),
      type: job,
      description: 'Ends a job; what it has counted stays.',
      args: { tenant: t.arg.id(), id: t.arg.id({ required: true }) },
      async resolve(_, { tenant, id }, context) {
        const viewer = await context.tenant(tenant)
        const by = actorOf(context.viewer, context.sender)
        await cancelJob(context.peopleDb, viewer.tenantId, id, by)
        return findJob(context, tenant, id)
      },
    }),
  )
}

const PATCH =
  'JSON Patch (RFC 6902) of the event, as JSON: at most 50 operations and 64 KiB. Without it events are read as they were sent, by the rules of now.'

async function begin(
  context: RequestContext,
  tenant: string | null | undefined,
  filter: FilterInput,
  patch: string | null | undefined,
): Promise<DeadLetterJob> {
  const viewer = await context.tenant(tenant)
  const by = actorOf(context.viewer, context.sender)
  const wanted = { filter: readFilter(filter), patch }
  const id = await createJob(context.peopleDb, viewer.tenantId, wanted, by)
  return findJob(context, tenant, id)
}

/** On the connections that wrote it: limited for each sender, so what waits there keeps nobody from signing in. */
async function findJob(
  context: RequestContext,
  tenant: string | null | undefined,
  id: string,
): Promise<DeadLetterJob> {
  const { rows } = await deadLetterJobs(context.peopleDb, await context.tenant(tenant), { id })
  if (!rows[0]) throw new ApiError('DEAD_LETTER_JOB_NOT_FOUND')
  return rows[0]
}

function addJobType(builder: Builder) {
  const state = builder.enumType('DeadLetterJobState', {
    values: ['QUEUED', 'RUNNING', 'DONE', 'CANCELLED', 'STOPPED'] as const,
  })
  const reason = builder.objectRef<DeadLetterJob['reasons'][number]>('DeadLetterJobReason')
  reason.implement({
    fields: (t) => ({ code: t.exposeString('code'), count: t.exposeFloat('count') }),
  })
  const example = builder.objectRef<DeadLetterJob['examples'][number]>('DeadLetterJobExample')
  example.implement({
    fields: (t) => ({
      id: t.exposeID('id', { description: 'Of the dead letter.' }),
      outcome: t.exposeString('outcome', {
        description: 'stored, duplicate, conflicting, dead or refused.',
      }),
      code: t.string({ nullable: true, resolve: ({ code }) => code ?? null }),
      detail: t.string({ nullable: true, resolve: ({ detail }) => detail ?? null }),
    }),
  })
  return builder.objectRef<DeadLetterJob>('DeadLetterJob').implement({
    description: 'A plan of what a correction of dead letters would do, and how far it is.',
    fields: (t) => ({
      id: t.exposeID('id'),
      state: t.field({
        type: state,
        description: 'STOPPED: see error.',
        resolve: ({ state }) => state.toUpperCase() as Uppercase<DeadLetterJob['state']>,
      }),
      filter: t.string({ resolve: ({ filter }) => JSON.stringify(filter) }),
      patch: t.exposeString('patch', { nullable: true }),
      patchSha256: t.exposeString('patchSha256', { nullable: true }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
      startedAt: t.expose('startedAt', { type: 'DateTime', nullable: true }),
      finishedAt: t.expose('finishedAt', { type: 'DateTime', nullable: true }),
      total: t.exposeFloat('total', { description: 'How many were open when it began.' }),
      processed: t.exposeFloat('processed'),
      stored: t.exposeFloat('stored', { description: 'Would be stored.' }),
      duplicates: t.exposeFloat('duplicates'),
      conflicting: t.exposeFloat('conflicting', {
        description: 'Duplicates with another content than the stored event.',
      }),
      dead: t.exposeFloat('dead', { description: 'Still dead letters.' }),
      refused: t.exposeFloat('refused', { description: 'Left alone, for the codes in reasons.' }),
      reasons: t.field({ type: [reason], resolve: ({ reasons }) => reasons }),
      examples: t.field({ type: [example], resolve: ({ examples }) => examples }),
      error: t.exposeString('error', {
        nullable: true,
        description: 'Why it was stopped: FORBIDDEN or INTERNAL.',
      }),
    }),
  })
}
