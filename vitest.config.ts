import { defineConfig } from 'vitest/config'

/** A busy machine is slow, not wrong: what is polled for comes at once or within this. */
const patient = { expect: { poll: { timeout: 10_000 } } }

const postgres = {
  globalSetup: ['tests/lib/postgres.setup.ts'],
  testTimeout: 30_000,
  hookTimeout: 60_000,
}
/** Whole systems with processes of their own: one file after the other, or two cores are too few. */
const oneAfterTheOther = { fileParallelism: false, testTimeout: 180_000, hookTimeout: 120_000 }
/** What needs a real Kafka or Redis; skipped loudly where there is none (tests/lib/engines.setup.ts). */
const onEngines = ['{core,edge,bench,tests,tools}/**/*.engines*.test.ts']
const wholeSystems = ['tests/system/*.test.ts', 'cli/*.test.ts', 'core/**/*.crash.test.ts']

/** One project a kind of room. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: { ...patient, name: 'contract', include: ['contract/**/*.test.ts', 'tidy.test.ts'] },
      },
      { test: { ...patient, name: 'dashboard', include: ['dashboard/**/*.test.ts'] } },
      // Inside workerd.
      'edge/vitest.config.ts',
      // Over HTTP, against workerd, Deno and Node as processes.
      {
        test: {
          ...patient,
          name: 'edge over HTTP',
          include: ['edge/conformance/**/*.test.ts'],
          testTimeout: 30_000,
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
          ...oneAfterTheOther,
          name: 'engines',
          globalSetup: [...postgres.globalSetup, 'tests/lib/engines.setup.ts'],
          runner: 'tests/lib/engines-runner.ts',
          include: onEngines,
        },
      },
      {
        test: {
          ...patient,
          ...postgres,
          ...oneAfterTheOther,
          name: 'system',
          include: wholeSystems,
          exclude: onEngines,
        },
      },
    ],
  },
})
