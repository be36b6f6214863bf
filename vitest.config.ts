import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

// Tests start hundreds of processes; with compiled modules each takes half the CPU to start.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/sluice')

/** On a busy machine a change takes longer to show: a poll ends as soon as it does, or after this. */
const patient = { expect: { poll: { timeout: 15_000 } } }

const postgres = {
  globalSetup: ['tests/lib/postgres.setup.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
}
/** Whole systems and engines as processes of their own. */
const processes = { testTimeout: 180_000, hookTimeout: 120_000 }
/** Files that need both cores for a load of fixed rate: one after the other, after all others. */
const alone = { fileParallelism: false }

/** Files that need a real Kafka or Redis; skipped loudly where there is none (tests/lib/engines.setup.ts). */
const onEngines = ['{core,edge,bench,tests,tools}/**/*.engines*.test.ts']
const onEnginesAlone = ['bench/k6/*.engines.test.ts']
const wholeSystems = ['tests/system/*.test.ts', 'cli/**/*.test.ts', 'core/**/*.crash.test.ts']

/** Set by .ci/run. */
const COVERAGE_FOLDER = process.env.SLUICE_COVERAGE_FOLDER

/** One project for each kind of environment that tests need. */
export default defineConfig({
  test: {
    // Many tests wait more than they work: three at a time keep two cores busy.
    maxWorkers: 3,
    // Only with --coverage, as in .ci/run: what tests import. Processes and browsers report by themselves (.ci/coverage.cjs).
    coverage: {
      provider: 'v8',
      reporter: ['json'],
      reportOnFailure: true,
      include: ['{contract,core,dashboard/src}/**/*.ts'],
      exclude: ['**/*.{test,suite}.ts', '**/testing/**'],
    },
    projects: [
      {
        test: { ...patient, name: 'contract', include: ['contract/**/*.test.ts', 'tidy.test.ts'] },
      },
      {
        // Solid's server build has no effects.
        ssr: { resolve: { conditions: ['browser'] } },
        test: {
          ...patient,
          name: 'dashboard',
          include: ['dashboard/**/*.test.ts'],
          exclude: ['dashboard/src/pages/**/page.test.ts'],
          server: { deps: { inline: [/solid-js/] } },
        },
      },
      // Pages in a real browser, in front of a core with Postgres.
      {
        test: {
          ...patient,
          ...postgres,
          name: 'pages',
          include: ['dashboard/src/pages/**/page.test.ts'],
        },
      },
      // Inside workerd.
      'edge/vitest.config.ts',
      // Over HTTP, against workerd, Deno and Node as processes.
      {
        test: {
          ...patient,
          name: 'edge over HTTP',
          include: ['edge/conformance/**/*.test.ts'],
          // Of the edges that run on Node; the tests' own process has started by then.
          env: COVERAGE_FOLDER ? { NODE_V8_COVERAGE: `${COVERAGE_FOLDER}/node` } : {},
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...patient,
          ...postgres,
          name: 'core',
          include: ['{core,local,tools}/**/*.test.ts', 'tests/{,lib/}*.test.ts'],
          exclude: [...wholeSystems, ...onEngines],
        },
      },
      {
        test: {
          ...patient,
          ...postgres,
          ...processes,
          name: 'engines',
          globalSetup: [...postgres.globalSetup, 'tests/lib/engines.setup.ts'],
          runner: 'tests/lib/engines-runner.ts',
          include: onEngines,
          exclude: onEnginesAlone,
        },
      },
      {
        test: {
          ...patient,
          ...postgres,
          ...processes,
          name: 'system',
          include: wholeSystems,
          exclude: onEngines,
        },
      },
      {
        test: {
          ...patient,
          ...postgres,
          ...processes,
          ...alone,
          name: 'alone',
          globalSetup: [...postgres.globalSetup, 'tests/lib/engine-tools.setup.ts'],
          runner: 'tests/lib/engines-runner.ts',
          include: onEnginesAlone,
        },
      },
    ],
  },
})
