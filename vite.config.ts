import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'
import solid from 'vite-plugin-solid'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Where `npm run dev:dashboard` finds core. The build needs no such thing: core serves it. */
const core = process.env.SLUICE_CORE_URL ?? 'http://127.0.0.1:4000'

export default defineConfig({
  root: here('dashboard'),
  plugins: [solid()],
  build: {
    outDir: here('dist/dashboard'),
    emptyOutDir: true,
    target: 'es2022',
    // light-dark() and nesting reach the browser as written.
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    reportCompressedSize: false,
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/graphql': core, '/login': core, '/logout': core },
  },
})
