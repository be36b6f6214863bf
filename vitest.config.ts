import { defineConfig } from 'vitest/config'

/** One project a kind of room. Edge in workerd has its own configuration: it runs inside the runtime. */
export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'contract',
          include: ['contract/**/*.test.ts', 'tidy.test.ts'],
        },
      },
      {
        test: {
          name: 'core',
          include: ['core/**/*.test.ts'],
          globalSetup: ['core/testing/postgres.setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
