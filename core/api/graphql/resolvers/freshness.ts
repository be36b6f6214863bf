import { isOperator } from '../../../identity/viewer.ts'
import {
  type EdgeFreshness,
  type Freshness,
  type FreshnessObjective,
  type FreshnessWindow,
  PIPELINE_COMPONENTS,
  readFreshness,
} from '../../../queries/pipeline/freshness.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

export function addFreshness(builder: Builder): void {
  const component = builder.enumType('PipelineComponent', {
    description: 'Where an event may stop on its way.',
    values: Object.fromEntries(
      PIPELINE_COMPONENTS.map((each) => [each.toUpperCase(), { value: each }]),
    ),
  })

  const state = builder.enumType('FreshnessState', {
    values: {
      OK: {},
      FAILING: { description: 'Two canaries in a row stopped at `failingComponent`.' },
      STALE: { description: 'The last canary is older than it should be.' },
      OFF: { description: 'No canaries are sent.' },
    },
  })

  const window = builder.objectRef<FreshnessWindow>('FreshnessWindow').implement({
    description: 'Seconds from sending an event until a query finds it.',
    fields: (t) => ({
      canaries: t.exposeFloat('canaries'),
      p50: t.exposeFloat('p50', { nullable: true }),
      p95: t.exposeFloat('p95', { nullable: true }),
      p99: t.exposeFloat('p99', { nullable: true }),
    }),
  })

  const objective = builder.objectRef<FreshnessObjective>('FreshnessObjective').implement({
    description: 'How many events should be visible within a time, over 30 days.',
    fields: (t) => ({
      targetSeconds: t.exposeFloat('targetSeconds'),
      percent: t.exposeFloat('percent'),
      canaries: t.exposeFloat('canaries'),
      inTime: t.exposeFloat('inTime'),
      errorBudgetLeft: t.exposeFloat('errorBudgetLeft', {
        nullable: true,
        description: '1: all of it is left; below 0: more was spent. Null without a canary.',
      }),
    }),
  })

  const edge = builder.objectRef<EdgeFreshness>('EdgeFreshness').implement({
    fields: (t) => ({
      edge: t.exposeString('edge', {
        description: 'URL; empty where canaries are appended to the log.',
      }),
      failingComponent: t.field({
        type: component,
        nullable: true,
        resolve: ({ failingComponent }) => failingComponent,
      }),
    }),
  })

  const freshness = builder.objectRef<Freshness>('Freshness').implement({
    description: 'How fresh numbers are, as measured by events of the system itself (canaries).',
    fields: (t) => ({
      state: t.expose('state', { type: state }),
      failingComponent: t.field({
        type: component,
        nullable: true,
        resolve: ({ failingComponent }) => failingComponent,
      }),
      hour: t.expose('hour', { type: window, description: 'The last hour.' }),
      day: t.expose('day', { type: window, description: 'The last 24 hours.' }),
      objective: t.expose('objective', { type: objective, nullable: true }),
      sentSecondsAgo: t.exposeFloat('sentSecondsAgo', {
        nullable: true,
        description: 'Seconds since a canary was sent.',
      }),
      edges: t.expose('edges', { type: [edge], description: 'Empty except for the operator.' }),
    }),
  })

  builder.queryField('freshness', (t) =>
    t.field({
      ...needs('pipeline.read'),
      type: freshness,
      description:
        'How long an event takes until it can be queried, and what fails where it does not.',
      complexity: 20,
      async resolve(_, __, { viewer, db }) {
        const found = await readFreshness(db)
        return isOperator(viewer) ? found : { ...found, edges: [] }
      },
    }),
  )
}
