import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/** The edge's own parts, tested inside workerd: `vitest run --config edge/vitest.config.ts`. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [
    cloudflareTest({
      main: './entry/cloudflare.ts',
      miniflare: { compatibilityDate: '2026-11-01' },
    }),
  ],
  test: {
    name: 'edge in workerd',
    include: ['**/*.test.ts'],
    exclude: ['conformance/**', '**/*.engines*.test.ts'],
  },
})
