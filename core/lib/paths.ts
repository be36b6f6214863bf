import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Where the dashboard is built to and served from. */
export const DASHBOARD_FOLDER = join(ROOT, 'dist', 'dashboard')
