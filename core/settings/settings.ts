import { COMPOSE_SETTINGS } from './compose-settings.ts'
import { CORE_SETTINGS } from './core-settings.ts'
import { EDGE_SETTINGS } from './edge-settings.ts'
import type { Setting } from './setting.ts'
import { SIGN_IN_SETTINGS } from './sign-in-settings.ts'

/** Every environment variable of the product. An empty variable counts as not set. */
export const SETTINGS: readonly Setting[] = [
  ...CORE_SETTINGS,
  ...SIGN_IN_SETTINGS,
  ...EDGE_SETTINGS,
  ...COMPOSE_SETTINGS,
]
