import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vite'
import solid from 'vite-plugin-solid'

const resolvePath = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** The core that `npm run dev:dashboard` forwards requests to; the build does not use it. */
const core = process.env.SLUICE_CORE_URL ?? 'http://127.0.0.1:4000'

/** Tests set another NODE_ENV, and would get another dashboard than users. */
const asForUsers: Plugin = {
  name: 'as-for-users',
  config(_, { command }) {
    if (command === 'build') process.env.NODE_ENV = 'production'
  },
}

export default defineConfig({
  root: resolvePath('dashboard'),
  plugins: [asForUsers, solid()],
  build: {
    outDir: resolvePath('dist/dashboard'),
    emptyOutDir: true,
    target: 'es2022',
    // These browsers know light-dark() and nesting, so both stay as written.
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    reportCompressedSize: false,
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/graphql': core, '/login': core, '/logout': core },
  },
})
