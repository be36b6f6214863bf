import { matchesGlob } from 'node:path'

/** What is mutated together, and the tests that must notice it. Globs from the repository's root. */
export interface MutatedPackage {
  /** Production code that is pure, or cheap to test. */
  mutate: readonly string[]
  /** Tests that need no engine, no browser and no process of their own: each mutant runs them again. */
  tests: readonly string[]
}

export const PACKAGES = {
  contract: {
    mutate: ['contract/**/*.ts', '!contract/testing/**'],
    // Without properties.test.ts: a mutant that only ten thousand random cases find is not held by any.
    tests: ['contract/{*,{json,log,testing}/*,event/{time,exact-limits}}.test.ts'],
  },
  // Without what only describes (openapi), runs in a browser (sdk), needs Redis or composes (entry).
  edge: {
    mutate: ['edge/{app,{lib,auth,formats,http,ingest,publish}/**/*}.ts', 'edge/admission/*.ts'],
    tests: [
      'edge/{*,{admission,auth,http,ingest,publish}/*,formats/**/*}.test.ts',
      'edge/conformance/in-process.test.ts',
    ],
  },
  // The pure parts: SQL and transactions need Postgres (core/worker/worker.test.ts and its neighbours).
  worker: {
    mutate: [
      'core/worker/decode/*.ts',
      'core/worker/write/{roll-up,outcomes,key-use,row-encoder,conflicts,deduplicate,find-stored,series,aggregates,dead-letters}.ts',
    ],
    tests: [
      'core/worker/decode/{classify-record,tenant-settings}.test.ts',
      'core/worker/write/{roll-up,counts,row-encoder,repetitions,series-directory}.test.ts',
    ],
  },
  queries: {
    mutate: [
      'core/queries/{instant,limits,query-result}.ts',
      'core/queries/metrics/metrics-{args,points}.ts',
      'core/queries/sql/*.ts',
    ],
    tests: ['core/queries/{arguments,build}.test.ts'],
  },
  log: {
    mutate: ['core/log/kafka/protocol/{record-batch,record-compression,codec,crc32c}.ts'],
    tests: ['core/log/kafka/protocol/*.test.ts'],
  },
  gateway: {
    mutate: ['core/gateway/produce/*.ts'],
    tests: ['core/gateway/produce/{produce-queue,read-records,batcher-timing}.test.ts'],
  },
  dashboard: {
    // Without what needs a canvas: page tests read what a browser draws.
    mutate: [
      'dashboard/src/{lib,charts}/**/*.ts',
      '!dashboard/src/charts/chart-controller.ts',
      '!dashboard/src/lib/testing/**',
      '!**/*.d.ts',
    ],
    tests: ['dashboard/src/{lib,charts}/**/*.test.ts'],
  },
} as const satisfies Record<string, MutatedPackage>

export type PackageName = keyof typeof PACKAGES

export const PACKAGE_NAMES = Object.keys(PACKAGES) as PackageName[]

/** The package that mutates a file. @param file its path from the repository's root */
export function packageOf(file: string): PackageName | undefined {
  return PACKAGE_NAMES.find((name) => {
    const globs: readonly string[] = PACKAGES[name].mutate
    const [left, taken] = [globs.filter(isExclusion), globs.filter((glob) => !isExclusion(glob))]
    return (
      taken.some((glob) => matchesGlob(file, glob)) &&
      !left.some((glob) => matchesGlob(file, glob.slice(1)))
    )
  })
}

const isExclusion = (glob: string) => glob.startsWith('!')
